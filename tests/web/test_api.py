"""The editorial API over real sockets: every operation, and every way to get one wrong."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from stoppress.desk.remote import RemoteDesk
from stoppress.newsroom.errors import InvalidError

STORY = {"slug": "flood", "headline": "The river rises"}
POSTS = "/api/stories/flood/posts"


def refused(answer: httpx.Response, status: int, *words: str) -> dict[str, Any]:
    """The problem an answer tells of, after checking that it is one and names what it should."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"].startswith("urn:stoppress:")
    assert problem["title"]
    for word in words:
        assert word in problem["detail"]
    return problem


@pytest.fixture
async def admin(site) -> httpx.AsyncClient:
    client = await site.as_("admin")
    assert (await client.post("/api/stories", json=STORY)).status_code == 201
    return client


async def publish(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post(POSTS, json={"headline": "Water at the bridge", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


# Every operation


async def test_a_story_is_made_read_changed_and_deleted(site):
    admin = await site.as_("admin")

    made = await admin.post("/api/stories", json=STORY)
    assert (made.status_code, made.headers["location"]) == (201, "/api/stories/flood")
    assert made.headers["etag"] == f'"{made.json()["version"]}"'
    assert made.headers["stoppress-position"].endswith(":1")
    assert (await admin.get("/api/stories")).json()["stories"] == [made.json()]
    assert (await admin.get("/api/stories/flood")).json() == made.json()

    ended = await admin.patch("/api/stories/flood", json={"status": "ended"})
    assert ended.json()["status"] == "ended"
    assert (await admin.delete("/api/stories/flood")).status_code == 200
    refused(await admin.get("/api/stories/flood"), 410, "flood")
    refused(await admin.post("/api/stories", json=STORY), 410, "flood")


async def test_a_post_lives_through_every_operation(site, admin):
    post = await publish(admin, body="It *rose*.", is_key_event=True)
    here = f"{POSTS}/{post['id']}"
    assert post["content_html"] == "<p>It <em>rose</em>.</p>\n" or "<em>rose</em>" in post["content_html"]

    edited = await admin.patch(here, json={"headline": "Water over the bridge"}, headers={"If-Match": '"1"'})
    assert (edited.json()["version"], edited.headers["etag"]) == (2, '"2"')
    corrected = await admin.post(f"{here}/corrections", json={"text": "It was the other bridge."})
    assert corrected.json()["corrections"][0]["kind"] == "correction"
    pinned = await admin.patch("/api/stories/flood", json={"pinned_post_id": post["id"]})
    assert pinned.json()["pinned_post_id"] == post["id"]
    withdrawn = await admin.post(f"{here}/withdraw", json={"note": "Not confirmed."})
    assert (withdrawn.json()["status"], withdrawn.json()["withdrawal_note"]) == ("withdrawn", "Not confirmed.")
    assert (await admin.post(f"{here}/restore")).json()["status"] == "published"
    reverted = await admin.post(f"{here}/revert", json={"version": 1})
    assert reverted.json()["headline"] == "Water at the bridge"
    revisions = (await admin.get(f"{here}/revisions")).json()["revisions"]
    assert [one["version"] for one in revisions] == list(range(1, len(revisions) + 1))
    assert (await admin.get(here)).json() == reverted.json()
    assert [one["id"] for one in (await admin.get(POSTS)).json()["posts"]] == [post["id"]]
    assert (await admin.delete(here)).json()["status"] == "deleted"
    refused(await admin.get(here), 410, post["id"])
    assert (await admin.post(f"{here}/restore")).json()["headline"] == "Water at the bridge"
    assert (await admin.delete(f"{here}?purge=true")).status_code == 200
    refused(await admin.post(f"{here}/restore"), 410, "purged")


async def test_posts_are_paged(site, admin):
    ids = [(await publish(admin, headline=f"Number {n}"))["id"] for n in range(5)][::-1]

    first = (await admin.get(POSTS, params={"limit": 2})).json()
    rest = (await admin.get(POSTS, params={"limit": 3, "before": ids[1]})).json()

    assert [one["id"] for one in first["posts"]] == ids[:2]
    assert [one["id"] for one in rest["posts"]] == ids[2:]
    assert (first["has_more"], rest["has_more"]) == (True, False)


async def test_a_story_exported_and_imported_elsewhere_is_the_same(site, admin):
    for n in range(3):
        await publish(admin, headline=f"Number {n}", body="Some *words*.")
    exported = await admin.get("/api/stories/flood/export")
    assert exported.headers["content-type"].startswith("application/jsonl")
    lines = exported.content.replace(b'"flood"', b'"copy"')

    headers = {"Content-Type": "application/jsonl"}
    tried = await admin.post("/api/stories/copy/import?dry_run=true", content=lines, headers=headers)
    assert tried.json() == {"added": 3, "skipped": 0}
    refused(await admin.get("/api/stories/copy"), 404, "copy")
    assert (await admin.post("/api/stories/copy/import", content=lines, headers=headers)).json()["added"] == 3
    assert (await admin.post("/api/stories/copy/import", content=lines, headers=headers)).json()["skipped"] == 3
    assert (await admin.get("/api/stories/copy/export")).content == lines


async def test_a_bad_line_of_an_import_is_named_and_nothing_is_stored(site, admin):
    headers = {"Content-Type": "application/x-ndjson"}
    lines = b'{"headline":"Good"}\n{"headline":"Bad","colour":"red"}\n'

    problem = refused(
        await admin.post("/api/stories/flood/import", content=lines, headers=headers), 400, "line 2", "colour"
    )

    assert problem["line"] == 2
    assert (await admin.get(POSTS)).json()["posts"] == []


# Retrying


async def test_a_key_makes_a_retry_change_nothing(site, admin):
    draft, key = {"headline": "Once"}, {"Idempotency-Key": "6f1c"}

    first = await admin.post(POSTS, json=draft, headers=key)
    again = await admin.post(POSTS, json=draft, headers=key)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again.headers["stoppress-position"] == first.headers["stoppress-position"]
    refused(await admin.post(POSTS, json={"headline": "Other"}, headers=key), 409, "Idempotency-Key")
    assert len((await admin.get(POSTS)).json()["posts"]) == 1


async def test_an_id_may_be_chosen_once(site, admin):
    assert (await admin.post(POSTS, json={"id": "mine", "headline": "A"})).status_code == 201
    assert (await admin.post(POSTS, json={"id": "mine", "headline": "A"})).status_code == 200
    refused(await admin.post(POSTS, json={"id": "mine", "headline": "B"}), 409, "mine")


async def test_a_key_that_cannot_be_one_is_refused(site, admin):
    for key in ("", "a b", "x" * 129, "ä"):
        answer = await admin.post(POSTS, json={"headline": "A"}, headers={"Idempotency-Key": key.encode()})
        refused(answer, 400, "Idempotency-Key", "128")


# Who may do what


async def test_without_a_token_nothing_is_told(site, admin):
    for method, path in (("GET", "/api/stories"), ("GET", POSTS), ("POST", POSTS), ("DELETE", "/api/stories/flood")):
        answer = await site.client.request(method, path)
        refused(answer, 401, "stoppress token create")
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_token_that_is_none_is_refused(site, admin):
    for given, words in (
        ("Bearer stp_unknown-unknown", "unknown or was revoked"),
        ("Bearer", "unknown"),
        ("Bearer \xff\xfe", "unknown"),
        ("Basic dTpw", "bearer token"),
    ):
        answer = await site.client.get("/api/stories", headers={"Authorization": given.encode("latin-1")})
        refused(answer, 401, words)


async def test_a_revoked_token_is_refused_at_once(site, admin):
    editor = await site.as_("editor", name="Desk two")
    assert (await editor.get("/api/stories")).status_code == 200

    await site.tokens.revoke("Desk two")

    refused(await editor.get("/api/stories"), 401, "revoked")


RIGHTS = [
    ("viewer", "GET", POSTS, None),
    ("contributor", "POST", POSTS, {"headline": "New"}),
    ("contributor", "PATCH", f"{POSTS}/one", {"headline": "New"}),
    ("contributor", "POST", f"{POSTS}/one/corrections", {"text": "So."}),
    ("contributor", "GET", "/api/stories/flood/export", None),
    ("contributor", "GET", f"{POSTS}/one/revisions", None),
    ("editor", "POST", POSTS, {"headline": "New", "pin": True}),
    ("editor", "POST", f"{POSTS}/one/revert", {"version": 1}),
    ("editor", "POST", f"{POSTS}/one/withdraw", {"note": "No."}),
    ("editor", "POST", "/api/stories", {"slug": "fire", "headline": "Fire"}),
    ("editor", "PATCH", "/api/stories/flood", {"headline": "New"}),
    ("editor", "DELETE", f"{POSTS}/one", None),
    ("admin", "DELETE", f"{POSTS}/one?purge=true", None),
    ("admin", "DELETE", "/api/stories/flood", None),
]


async def test_each_role_may_do_its_own_and_what_is_below_it(site, admin):
    """Asked without the right: 403 that names the role needed; with it: anything but 401 and 403."""
    await publish(admin, id="one")
    roles = ["viewer", "contributor", "editor", "admin"]
    clients = {role: await site.as_(role, name=f"a {role}") for role in roles}

    for needed, method, path, body in RIGHTS:
        lacking = roles[: roles.index(needed)]
        for role in lacking:
            refused(await clients[role].request(method, path, json=body), 403, role, "this needs")
        answer = await clients[needed].request(method, path, json=body)
        assert answer.status_code in (200, 201), (needed, method, path, answer.text)
        if method == "DELETE" and path == f"{POSTS}/one":
            await admin.post(f"{POSTS}/one/restore")


async def test_a_token_is_for_its_stories_only(site, admin):
    sport = await site.as_("editor", story="sport-*")

    assert (await sport.post("/api/stories", json={"slug": "sport-final", "headline": "Final"})).status_code == 201
    refused(await sport.post("/api/stories", json={"slug": "coup", "headline": "Coup"}), 403, "sport-*", "coup")
    refused(await sport.post(POSTS, json={"headline": "A"}), 403, "sport-*", "flood")
    assert [one["slug"] for one in (await sport.get("/api/stories")).json()["stories"]] == ["sport-final"]


async def test_no_cookie_opens_the_api(site, admin):
    """A browser sends cookies by itself, so another site's page could use them."""
    token, _ = await site.tokens.create("cookie", role="admin")

    answer = await site.client.get("/api/stories", headers={"Cookie": f"stoppress_token={token}"})

    refused(answer, 401)


async def test_pages_of_other_sites_are_refused(site, admin):
    refused(await admin.get("/api/stories", headers={"Origin": "https://evil.example"}), 403, "evil.example")
    assert "access-control-allow-origin" not in (await admin.get("/api/stories")).headers


# Versions


async def test_an_old_version_is_told_the_current_one(site, admin):
    await publish(admin, id="one")
    await admin.patch(f"{POSTS}/one", json={"headline": "Second"})

    answer = await admin.patch(f"{POSTS}/one", json={"headline": "Third"}, headers={"If-Match": '"1"'})

    problem = refused(answer, 412, "version 2")
    assert problem["current_version"] == 2
    assert answer.headers["etag"] == '"2"'
    fine = await admin.patch(f"{POSTS}/one", json={"headline": "Third"}, headers={"If-Match": "*"})
    assert fine.json()["version"] == 3


async def test_an_if_match_that_is_no_list_of_tags_is_refused(site, admin):
    await publish(admin, id="one")
    for given in ("1", '"1', '"1" "2"', '*, "1"', "w/1", '"a b"', "", ", ".join(f'"{n}"' for n in range(1, 10))):
        refused(await admin.patch(f"{POSTS}/one", json={}, headers={"If-Match": given}), 400, "If-Match")


async def test_a_tag_that_is_right_but_not_the_version_says_which_one_is(site, admin):
    await publish(admin, id="one")
    for given in ('W/"1"', '"one"', '"2", "3"', '"0"', '"01"', '"12345678901234567"', '""'):
        answer = await admin.patch(f"{POSTS}/one", json={"headline": "Second"}, headers={"If-Match": given})
        assert refused(answer, 412, "version 1")["current_version"] == 1


async def test_one_tag_of_a_list_that_matches_is_enough_also_when_it_is_sent_again(site, admin):
    await publish(admin, id="one")
    headers = [("If-Match", '"7", W/"1"'), ("If-Match", '"1" ,, "2"'), ("Idempotency-Key", "k")]

    made = await admin.patch(f"{POSTS}/one", json={"headline": "Second"}, headers=headers)
    again = await admin.patch(f"{POSTS}/one", json={"headline": "Second"}, headers=headers)

    assert (made.status_code, made.json()["version"]) == (200, 2)
    assert (again.status_code, again.json()["version"]) == (200, 2)
    other = await admin.patch(f"{POSTS}/one", json={"headline": "Third"}, headers=headers)
    refused(other, 409, "Idempotency-Key")


async def test_a_slug_that_cannot_be_and_a_pin_of_nothing_are_named(site, admin):
    for path in ("", "/posts", "/export"):
        refused(await admin.get(f"/api/stories/%2a{path}"), 400, "slug")
    refused(await admin.patch("/api/stories/flood", json={"pinned_post_id": ""}), 400, "pinned_post_id")


# Bodies


BAD_BODIES: list[tuple[bytes, list[str]]] = [
    (b'{"headline":', ["not JSON", "line 1"]),
    (b'{"headline":"a"\n"body":"b"}', ["not JSON", "line 2", "column"]),
    (b"", ["not JSON"]),
    (b"[]", ["object", "list"]),
    (b"7", ["object", "number"]),
    (b"null", ["object", "null"]),
    (b"\xff\xfe", ["not JSON"]),
    (b'{"headline":"a","colour":"red"}', ["colour", "not a field"]),
    (b'{"headline":7}', ["headline", "must be"]),
    (b'{"headline":null}', ["headline", "must be"]),
    (b'{"body":"b"}', ["headline", "missing"]),
    (b'{"headline":""}', ["headline", "empty"]),
    (b'{"headline":"' + b"a" * 301 + b'"}', ["headline", "300"]),
    (b'{"headline":"a\\u0000b"}', ["headline", "U+0000"]),
    (b'{"headline":"a","body":"b\\u0000"}', ["body", "U+0000"]),
    (b'{"headline":"a\\ud800"}', []),
    (b'{"headline":"a","images":[{"url":"javascript:alert(1)"}]}', ["images", "url", "http"]),
    (b'{"headline":"a","images":[' + b",".join([b'{"url":"/a.png"}'] * 21) + b"]}", ["images", "20"]),
    (b'{"headline":"a","id":"../../x"}', ["id"]),
    (b'{"headline":"a","sort_time":"yesterday"}', ["sort_time", "RFC 3339"]),
    (b'{"headline":"a","body":"' + b"x" * 65_537 + b'"}', ["body", "64 KiB"]),
    (b'{"headline":"a","body":"' + b"> " * 60 + b'deep"}', ["body", "50"]),
    (b"[" * 100_000, ["not JSON"]),
    (b'{"a":' * 100_000, ["not JSON"]),
    (b'{"headline":"a","keywords":' + b"[" * 500 + b"]" * 500 + b"}", ["keywords"]),
    (b'{"headline":"a","is_breaking":1e400}', []),
    (b'{"headline":"a","is_breaking":' + b"9" * 5000 + b"}", []),
]


async def test_a_bad_body_is_refused_with_the_rule_and_the_server_lives_on(site, admin):
    for body, words in BAD_BODIES:
        answer = await admin.post(POSTS, content=body, headers={"Content-Type": "application/json"})
        refused(answer, 400, *words)
    assert (await admin.get(POSTS)).json()["posts"] == []
    await publish(admin)


async def test_a_huge_body_is_refused_unread(site, admin):
    body = b'{"headline":"' + b"a" * (1024 * 1024) + b'"}'
    json = {"Content-Type": "application/json"}
    refused(await admin.post(POSTS, content=body, headers=json), 413, "1,048,576")

    async def endless():
        for _ in range(40):
            yield b"a" * 65536

    refused(await admin.post(POSTS, content=endless(), headers=json), 413, "1,048,576")
    await publish(admin)


async def test_only_json_is_read(site, admin):
    """What a form of another site can send without asking is not among it."""
    for kind in ("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = await admin.post(POSTS, content=b'{"headline":"a"}', headers={"Content-Type": kind})
        refused(answer, 415, "application/json")
        assert answer.headers["accept"] == "application/json"
    coded = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    refused(await admin.post(POSTS, content=b'{"headline":"a"}', headers=coded), 415, "Content-Encoding")


async def test_bidi_marks_stay_text(site, admin):
    """They may not hide what a headline says in the API, and are isolated on the page."""
    post = await publish(admin, headline="a \u202etxet\u202c b")
    assert (await admin.get(f"{POSTS}/{post['id']}")).json()["headline"] == "a \u202etxet\u202c b"


async def test_an_action_says_what_it_needs(site, admin):
    await publish(admin, id="one")
    for action, body, words in (
        ("withdraw", {}, ["note", "missing"]),
        ("withdraw", {"note": 7}, ["note", "string"]),
        ("withdraw", {"note": "x", "why": "y"}, ["why"]),
        ("corrections", {"text": "x", "kind": "rumour"}, ["kind"]),
        ("corrections", {"kind": "correction"}, ["text"]),
        ("revert", {"version": "1"}, ["version", "whole number"]),
        ("revert", {"version": True}, ["version", "whole number"]),
        ("restore", {"now": True}, ["restore"]),
    ):
        refused(await admin.post(f"{POSTS}/one/{action}", json=body), 400, *words)


# Addresses and methods


async def test_an_unknown_address_is_a_problem_too(site, admin):
    for path in ("/api", "/api/", "/api/story", "/api/stories/flood/posts/one/two/three", "/api/stories/"):
        refused(await site.client.get(path), 404, path)
    refused(await admin.get("/api/stories/none"), 404, "none")
    refused(await admin.get("/api/stories/BAD%20SLUG"), 400, "slug")
    refused(await admin.get(f"{POSTS}/none"), 404, "none")
    refused(await admin.get(f"{POSTS}/%00"), 400)
    refused(await admin.get(f"{POSTS}?before=none"), 404, "none")
    refused(await admin.get(f"{POSTS}?limit=many"), 400, "limit")
    refused(await admin.get(f"{POSTS}?limit=0"), 400, "limit")


async def test_a_wrong_method_is_told_the_right_ones(site, admin):
    answer = await admin.put(POSTS, json={})
    refused(answer, 405, "PUT")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert (await admin.options(POSTS)).headers["allow"] == answer.headers["allow"]
    head = await admin.head("/api/stories")
    assert (head.status_code, head.content) == (200, b"")


async def test_answers_are_never_kept(site, admin):
    for answer in (await admin.get("/api/stories"), await admin.get("/api/none"), await site.client.get(POSTS)):
        assert answer.headers["cache-control"] == "no-store"


async def test_the_answer_is_what_readers_will_see(site, admin):
    """The acknowledgement carries the position at which it shows."""
    answer = await admin.post(POSTS, json={"headline": "There"})
    epoch, _, seq = answer.headers["stoppress-position"].partition(":")

    told = orjson.loads((await site.client.get(f"/live/flood/snapshot?min_seq={seq}")).content)

    assert (told["epoch"], told["posts"][0]["headline"]) == (epoch, "There")


# HTML, and what is said of a body


async def test_html_is_taken_instead_of_a_body_and_what_it_loses_is_said(site, admin):
    made = await admin.post(
        POSTS, json={"headline": "h", "content_html": "<div>a</div><iframe src=//v.example/1></iframe>"}
    )
    assert made.status_code == 201
    assert made.json()["content_html"].startswith("<p>a</p><p><a href=")
    assert made.json()["warnings"] == ["iframe became a link to https://v.example/1"]
    post = f"{POSTS}/{made.json()['id']}"
    assert "warnings" not in (await admin.get(post)).json()

    edited = await admin.patch(post, json={"content_html": "<form>b</form>"})
    assert (edited.status_code, edited.json()["content_html"]) == (200, "<p>b</p>")
    assert edited.json()["warnings"] == ["form left out, its text kept"]
    assert "warnings" not in (await admin.patch(post, json={"headline": "i"})).json()
    refused(await admin.patch(post, json={"content_html": "<p>a</p>", "body": "b"}), 400, "content_html: stands beside")


async def test_a_body_that_is_html_is_published_with_a_warning(site, admin):
    answer = await admin.post(POSTS, json={"headline": "h", "body": "<p>Hello</p>"})
    assert answer.status_code == 201
    assert answer.json()["warnings"][0].startswith("<p> is shown as it stands")


async def test_an_import_says_what_it_could_not_keep(site, admin):
    rows = [
        {"id": "urn:x:1", "headline": "h", "content_html": "<p>a</p><script>b()</script>"},
        {"headline": "h", "a": 1},
    ]
    body = b"\n".join(orjson.dumps(row) for row in rows[:1])
    headers = {"Content-Type": "application/jsonl"}
    address = "/api/stories/flood/import"

    tried = await admin.post(f"{address}?dry_run=true", content=body, headers=headers)
    assert tried.json()["warnings"] == [
        {"line": 1, "id": tried.json()["ids"]["urn:x:1"], "kind": "script", "text": "script left out"}
    ]
    refused(
        await admin.post(f"{address}?strict=true", content=body, headers=headers), 400, "line 1: content_html: script"
    )
    both = b"\n".join(orjson.dumps(row) for row in [rows[1], rows[1]])
    problem = refused(
        await admin.post(address, content=both, headers=headers), 400, "line 1: a: is not a field", "line 2"
    )
    assert [told["line"] for told in problem["lines"]] == [1, 2]


async def test_a_desk_far_away_tells_what_this_one_does(site, admin):
    """RemoteDesk hands on warnings, notes and ids."""
    far = RemoteDesk(site.url, admin.headers["authorization"].removeprefix("Bearer "))
    made = await far.publish("flood", {"headline": "h", "content_html": "<form>a</form>"})
    assert made.warnings == ("form left out, its text kept",)
    assert "warnings" not in made.value
    row = orjson.dumps({"id": "urn:x:1", "headline": "h", "body": "[a](b.html)"})
    report = await far.import_("flood", [row], dry_run=True)
    assert report.warnings[0]["text"] == "link to b.html left out, its text kept"
    assert list(report.ids) == ["urn:x:1"]
    with pytest.raises(InvalidError, match="strict"):
        await far.import_("flood", [row], strict=True)
    await far.aclose()
