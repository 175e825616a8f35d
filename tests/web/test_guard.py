"""The guard: which headers leave with every answer, and whose pages may read what."""

from __future__ import annotations

import httpx
import orjson
import pytest
from starlette.routing import Route
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from stoppress.settings import Settings
from stoppress.web.app import create_app
from stoppress.web.guard import Guard
from stoppress.web.origins import Origins
from streams import stock_events, uvicorn_world

READER = ("/", "/live/flood", "/live/flood/snapshot", "/live/flood/feed.json", "/live/none", "/assets/style.css")
OWN = ("/dashboard", "/login", "/stats", "/metrics", "/api/stories", "/api/nothing")


@pytest.fixture
async def story(site):
    await site.desk.create_story({"slug": "flood", "headline": "The river rises"})


def policy(answer) -> dict[str, str]:
    return dict(part.split(maxsplit=1) for part in answer.headers["content-security-policy"].split(";"))


async def test_every_answer_carries_the_safety_headers(site, story):
    for path in (*READER, *OWN):
        answer = await site.client.get(path)
        rules = policy(answer)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == rules["style-src"] == rules["form-action"] == "'self'"
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert rules["frame-ancestors"] == ("*" if path in READER else "'none'")


async def test_an_answer_to_a_bug_carries_them_too_and_tells_nothing(site, story, monkeypatch, caplog):
    async def broken(*_):
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr(site.parts.pages, "story", broken)
    answer = await site.client.get("/live/flood")

    assert (answer.status_code, answer.headers["x-content-type-options"]) == (500, "nosniff")
    assert answer.headers["connection"] == "close"
    assert "secret" not in answer.text
    assert (await site.client.get("/live/flood/snapshot")).status_code == 200


async def test_any_page_may_read_what_readers_read(site, story):
    foreign = {"Origin": "https://blog.example"}
    for path in READER:
        answer = await site.client.get(path, headers=foreign)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
    asked = await site.client.options(
        "/live/flood/snapshot", headers={**foreign, "Access-Control-Request-Method": "GET"}
    )
    assert asked.status_code == 204
    assert "If-None-Match" in asked.headers["access-control-allow-headers"]
    async with connect(site.socket_url("/live/flood/ws"), origin="https://blog.example", proxy=None) as socket:
        assert b'"hello"' in (await socket.recv(decode=False))


async def test_the_origins_setting_narrows_who_may_read(site_with):
    async with site_with(origins=("https://news.example",), public_url="https://news.example.org/live") as site:
        await site.desk.create_story({"slug": "flood", "headline": "The river rises"})
        mine = await site.client.get("/live/flood/snapshot", headers={"Origin": "https://news.example"})
        other = await site.client.get("/live/flood/snapshot", headers={"Origin": "https://blog.example"})
        none = await site.client.get("/live/flood/snapshot")

        assert mine.headers["access-control-allow-origin"] == "https://news.example"
        assert "access-control-allow-origin" not in other.headers
        # A cache must not give one origin's answer to another.
        asked = [await site.client.options("/live/flood", headers={"Origin": o}) for o in ("https://news.example", "x")]
        nothing = await site.client.get("/live/none/events", headers={"Origin": "https://blog.example"})
        for answer in (mine, other, none, nothing, *asked):
            assert answer.headers["vary"] == "Origin"
        async with site.client.stream(
            "GET", "/live/flood/events", headers={"Origin": "https://news.example"}
        ) as events:
            assert (events.status_code, events.headers["vary"]) == (200, "Origin")
            assert events.headers["access-control-allow-origin"] == "https://news.example"
        both = [("Origin", "https://news.example"), ("Origin", "https://blog.example")]
        for two in (both, both[::-1]):
            answer = await site.client.get("/live/flood/snapshot", headers=two)
            assert "access-control-allow-origin" not in answer.headers
            assert (await site.client.get("/live/flood/events", headers=two)).status_code == 403
            assert (await site.client.get("/login", headers=two)).status_code == 403
        # Half a name is another's.
        half = {"Origin": "https://news.example.o"}
        assert (await site.client.get("/live/flood/events", headers=half)).status_code == 403
        assert policy(mine)["frame-ancestors"] == "'self' https://news.example"
        for path in ("/live/flood/ws", "/live/flood/ws?epoch=x&seq=1"):
            with pytest.raises(InvalidStatus) as refused:
                await connect(site.socket_url(path), origin="https://blog.example", proxy=None)
            assert refused.value.response.status_code == 403
        # This server's own page has an origin too.
        for origin in ("https://news.example", "https://news.example.org", site.url, None):
            async with connect(site.socket_url("/live/flood/ws"), origin=origin, proxy=None) as socket:
                assert b'"hello"' in (await socket.recv(decode=False))


async def test_a_refusal_is_the_same_wherever_it_is_heard(site_with):
    """One sentence, status and type for pages of readers' paths, and one for those of operators'."""
    foreign = {"Origin": "https://blog.example"}
    async with site_with(origins=("https://news.example",)) as site:
        await site.desk.create_story({"slug": "flood", "headline": "The river rises"})
        for paths, sockets, about in (
            (["/live/flood/events"], ["/live/flood/ws"], "STOPPRESS_ORIGINS"),
            (["/stats", "/api/stories", "/dashboard"], ["/stats/ws", "/live/ws"], "pages of this server only"),
        ):
            told = [(await site.client.get(path, headers=foreign)).json() for path in paths]
            for path in sockets:
                with pytest.raises(InvalidStatus) as refused:
                    await connect(site.socket_url(path), origin="https://blog.example", proxy=None)
                told.append(orjson.loads(refused.value.response.body))
            assert all(one == told[0] for one in told), told
            assert (told[0]["type"], told[0]["status"]) == ("urn:stoppress:not-allowed", 403)
            assert "https://blog.example" in told[0]["detail"]
            assert about in told[0]["detail"]
        assert site.parts.hub.counts.refusals == {"origin": 2}, "readers are counted"


@pytest.mark.parametrize(
    ("path", "code"), [("/live/flood/ws", 4403), ("/stats/ws", 4403), ("/stats/ws\n", 4400), ("/live/flood/ws\n", 4400)]
)
async def test_a_server_that_cannot_answer_a_handshake_closes_by_the_table(path, code):
    sent = []
    heard = iter([{"type": "websocket.connect"}])
    headers = [(b"host", b"a")] + ([(b"origin", b"https://blog.example")] if code == 4403 else [])
    scope = {"type": "websocket", "path": path, "headers": headers, "extensions": {}}

    async def receive():
        return next(heard)

    async def send(message):
        sent.append(message)

    await Guard(None, Origins(Settings(origins=("https://news.example",))))(scope, receive, send)

    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", code)]
    assert 0 < len(sent[0]["reason"].encode()) <= 123


@pytest.mark.parametrize("way", ["handed", "stock"])
async def test_a_stream_may_be_read_by_any_page_too(settings, store, way):
    """Its head leaves by another way than other answers when its connection is handed over."""
    app = create_app(settings, store=store)
    if way == "stock":
        app.router.routes.insert(0, Route("/live/{slug}/events", stock_events))
    async with (
        uvicorn_world(app, settings) as world,
        httpx.AsyncClient(base_url=world.url, trust_env=False) as client,
        client.stream("GET", "/live/a/events", headers={"Origin": "https://blog.example"}) as events,
    ):
        assert events.headers["access-control-allow-origin"] == "*"
        assert policy(events)["frame-ancestors"] == "*"
        assert len(world.pump.connections) == (1 if way == "handed" else 0)


async def test_no_other_page_may_read_what_operators_read(site, story):
    foreign = {"Origin": "https://evil.example"}
    for path in OWN:
        answer = await site.client.get(path, headers=foreign)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
        asked = await site.client.options(path, headers={**foreign, "Access-Control-Request-Method": "POST"})
        assert "access-control-allow-origin" not in asked.headers
    assert (await site.client.post("/login", headers=foreign, data={"token": "x"})).status_code == 403
    with pytest.raises(InvalidStatus) as refused:
        await connect(site.socket_url("/stats/ws"), origin="https://evil.example", proxy=None)
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("end", ["%0A", "%0D", "%00", "%7F"])
async def test_a_control_character_opens_no_path_of_operators(site, story, end):
    """A route's `$` also fits before a last line break."""
    for path in ("/dashboard", "/login", "/stats", "/metrics", "/live/flood"):
        foreign = await site.client.get(path + end, headers={"Origin": "https://evil.example"})
        own = await site.client.get(path + end)
        assert (foreign.status_code, own.status_code) == (403, 400), path
        assert "access-control-allow-origin" not in foreign.headers
    assert (await site.client.post("/logout" + end, headers={"Origin": "https://evil.example"})).status_code == 403
    for path in ("/live/ws", "/stats/ws", "/live/flood/ws"):
        with pytest.raises(InvalidStatus) as refused:
            await connect(site.socket_url(path + end), origin="https://evil.example", proxy=None)
        assert refused.value.response.status_code == 403, path
        with pytest.raises(InvalidStatus) as refused:
            await connect(site.socket_url(path + end), proxy=None)
        assert refused.value.response.status_code == 400, path


async def test_reader_paths_neither_read_nor_set_a_cookie(site, story):
    token, _ = await site.tokens.create("me", role="admin")
    for path in READER:
        plain = await site.client.get(path)
        sent = await site.client.get(path, headers={"Cookie": f"stoppress_token={token}"})
        assert "set-cookie" not in sent.headers
        assert "cookie" not in sent.headers.get("vary", "").lower()
        assert sent.content == plain.content


async def test_assets_are_kept_for_ever_under_the_address_of_their_content(site, story):
    page = (await site.client.get("/live/flood")).text
    address = page.partition('rel="stylesheet" href="')[2].partition('"')[0]

    hashed = await site.client.get(address)
    plain = await site.client.get("/assets/style.css")
    other = await site.client.get("/assets/style.css?v=0000")
    again = await site.client.get("/assets/style.css", headers={"If-None-Match": plain.headers["etag"]})

    assert "immutable" in hashed.headers["cache-control"]
    assert plain.headers["cache-control"] == other.headers["cache-control"] == "public, no-cache"
    assert again.status_code == 304
    assert hashed.headers["content-type"] == "text/css; charset=utf-8"
    assert (await site.client.get("/assets/reader.js")).headers["content-type"].startswith("text/javascript")
    for path in (
        "/assets/",
        "/assets/none.css",
        "/assets/..%2f__init__.py",
        "/assets/%2e%2e/__init__.py",
        "/assets/%00",
    ):
        assert (await site.client.get(path)).status_code in (400, 404), path
