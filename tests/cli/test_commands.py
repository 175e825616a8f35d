"""Every editorial command on a real store: what it does, what it prints, how it fails."""

from __future__ import annotations

import json
import os
import sys

import pytest
import redis
from click.testing import CliRunner

from stoppress.cli.main import COMMANDS, cli


def test_story_from_creation_to_deletion(shell):
    said = shell("story", "create", "night", "--headline", "Night", "--upcoming", "--time-zone", "America/New_York")
    assert said.stdout == "night  http://127.0.0.1:8000/live/night\n"
    shell("story", "start", "night")
    shell("story", "edit", "night", "--point", "One", "--point", "Two", "--author", "Ana Lee", "--sort", "oldest")
    held = shell.json("story", "show", "night")
    assert (held["status"], held["summary_points"], held["default_sort"]) == ("live", ["One", "Two"], "oldest")
    assert held["authors"] == [{"name": "Ana Lee"}]
    assert shell.json("story", "edit", "night", "--point", "")["summary_points"] == []
    lead = ("--lead-image", "/lead.jpg", "--lead-alt", "A queue", "--lead-width", "1200")
    assert shell.json("story", "edit", "night", *lead)["lead_image"] == {
        "url": "/lead.jpg",
        "alt": "A queue",
        "width": 1200,
    }
    assert shell.json("story", "edit", "night", "--lead-image", "")["lead_image"] is None
    assert shell.json("story", "end", "night")["status"] == "ended"
    assert shell.json("story", "reopen", "night")["status"] == "live"
    assert shell("story", "list").stdout.startswith("night\tlive\t0\t")
    assert "--yes" in shell("story", "delete", "night", ends=2).stderr
    shell("story", "delete", "night", "--yes")
    assert shell.json("story", "list") == {"stories": []}
    assert "deleted" in shell("story", "show", "night", ends=65).stderr


def test_post_prints_its_id_and_its_address(shell, story):
    said = shell("post", story, "--headline", "Polls close", "--id", "p1")
    assert said.stdout == "p1  http://127.0.0.1:8000/live/night/posts/p1\n"
    said = shell("post", story, "--headline", "b", "--id", "p2", STOPPRESS_PUBLIC_URL="https://news.example.org/")
    assert said.stdout == "p2  https://news.example.org/live/night/posts/p2\n"


def test_post_with_every_field(shell, story):
    post = shell.json(
        *("post", story, "--headline", "Turnout", "--body", "It is **up**.", "--byline", "By Ana Lee in Ohio"),
        *("--author", "Ana Lee", "--author", '{"name": "Bo Ek", "job_title": "Reporter"}', "--contributor", "Cy"),
        *("--credit-note", "With agencies", "--dateline", "COLUMBUS", "--keyword", "turnout", "--keyword", "ohio"),
        *("--key", "--breaking", "--no-summary", "--pin", "--id", "p1"),
        *("--date-published", "2026-11-03T20:00:00-05:00", "--sort-time", "2026-11-04T02:00:00Z"),
    )
    assert post["content_html"] == "<p>It is <strong>up</strong>.</p>"
    assert post["authors"] == [{"name": "Ana Lee"}, {"name": "Bo Ek", "job_title": "Reporter"}]
    assert post["contributors"] == [{"name": "Cy"}]
    assert (post["is_key_event"], post["is_breaking"], post["is_summary"]) == (True, True, False)
    assert post["keywords"] == ["turnout", "ohio"]
    assert post["date_published"] == "2026-11-04T01:00:00.000Z"
    assert post["sort_time"] == "2026-11-04T02:00:00.000Z"
    assert shell.json("story", "show", story)["pinned_post_id"] == "p1"
    assert "Reporter" in shell("show", story, "p1").stdout


def test_pictures_keep_what_follows_them(shell, story):
    images = shell.json(
        *("post", story, "--image", "/a.jpg", "--alt", "A", "--width", "640", "--headline", "h", "--image=/b.jpg"),
        *("--credit", "B's", "--image", "/c.jpg", "--height", "480", "--caption", "C", "--alt", "sea"),
    )["images"]
    assert images == [
        {"url": "/a.jpg", "alt": "A", "width": 640},
        {"url": "/b.jpg", "credit_text": "B's"},
        {"url": "/c.jpg", "alt": "sea", "caption": "C", "height": 480},
    ]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--alt", "A", "--image", "/a.jpg"], "behind the --image"),
        (["--image", "/a.jpg", "--alt", "A", "--alt", "B"], "twice"),
        (["--image", "/a.jpg", "--width", "0"], "0 is not in the range"),
        (["--body", "a", "--body-file", "-"], "one body"),
    ],
)
def test_pictures_and_bodies_that_contradict(shell, story, options, says):
    assert says in shell("post", story, "--headline", "h", *options, ends=2).stderr


def test_body_from_standard_input_and_from_a_file(shell, story, tmp_path):
    assert shell.json("post", story, "--headline", "h", "--body", "-", stdin="Zoë\r\nsays\n")["body"] == "Zoë\nsays"
    file = tmp_path / "body.md"
    file.write_bytes("\ufeff# Über\n".encode())
    assert shell.json("post", story, "--headline", "h", "--body-file", str(file))["body"] == "# Über"
    file.write_bytes(b"caf\xe9")
    assert "not UTF-8: byte 3" in shell("post", story, "--headline", "h", "--body-file", str(file), ends=65).stderr
    file.write_bytes(b"x" * 70_000)
    assert "64 KiB" in shell("post", story, "--headline", "h", "--body-file", str(file), ends=65).stderr


def test_edit_changes_what_is_named_and_nothing_else(shell, story):
    shell("post", story, "--headline", "One", "--body", "b", "--byline", "By Ana", "--key", "--id", "p1")
    post = shell.json("edit", story, "p1", "--headline", "Two", "--no-key", "--breaking", "--byline", "")
    assert (post["headline"], post["body"], post["byline"]) == ("Two", "b", "")
    assert (post["is_key_event"], post["is_breaking"], post["version"]) == (False, True, 2)
    shell("edit", story, "p1", "--image", "/a.jpg", "--keyword", "k")
    post = shell.json("edit", story, "p1", "--no-images", "--keyword", "", "--change-note", "Cut.")
    assert (post["images"], post["keywords"], post["change_note"]) == ([], [], "Cut.")
    minor = shell.json("edit", story, "p1", "--minor", "--headline", "Two.")
    assert minor["date_modified"] == post["date_modified"]
    assert "say what to change" in shell("edit", story, "p1", ends=2).stderr
    assert "contradict" in shell("edit", story, "p1", "--no-images", "--image", "/a.jpg", ends=2).stderr


def test_an_expected_version_that_passed_is_named(shell, story):
    shell("post", story, "--headline", "One", "--id", "p1")
    shell("edit", story, "p1", "--headline", "Two", "--expect", "1")
    assert "version 2 now" in shell("edit", story, "p1", "--headline", "Three", "--expect", "1", ends=65).stderr


def test_withdraw_restore_delete_purge(shell, story):
    shell("post", story, "--headline", "One", "--body", "secret", "--id", "p1")
    assert shell.json("withdraw", story, "p1", "--note", "Wrong.")["status"] == "withdrawn"
    assert shell("list", story).stdout.split("\t")[3] == "withdrawn"
    assert shell.json("restore", story, "p1")["headline"] == "One"
    shell("delete", story, "p1")
    assert shell("list", story).stdout == ""
    assert shell.json("restore", story, "p1")["body"] == "secret"
    assert "--yes" in shell("delete", story, "p1", "--purge", ends=2).stderr
    assert "purged" in shell("delete", story, "p1", "--purge", "--yes").stdout
    assert "purged" in shell("restore", story, "p1", ends=65).stderr
    assert "secret" not in shell("history", story, "p1", "--json").stdout


def test_correct_pin_history_revert(shell, story):
    shell("post", story, "--headline", "One", "--id", "p1")
    shell("edit", story, "p1", "--headline", "Two")
    said = shell.json("correct", story, "p1", "--note", "Not one.", "--kind", "clarification")["corrections"]
    assert [(one["text"], one["kind"]) for one in said] == [("Not one.", "clarification")]
    shell("pin", story, "p1")
    assert shell("list", story).stdout.split("\t")[3] == "pinned,corrected"
    shell("unpin", story)
    assert shell.json("story", "show", story)["pinned_post_id"] is None
    assert [line.split("\t")[3] for line in shell("history", story, "p1").stdout.splitlines()] == [
        "published: One",
        "headline: [-One-]{+Two+}",
        "clarification: Not one.",
    ]
    assert shell.json("revert", story, "p1", "1")["headline"] == "One"


def test_lists_say_a_line_and_a_date_of_every_post(shell, story, tmp_path):
    rows = [
        {
            "id": "p1",
            "content_html": "<p>Dr. Lee has won. Her rival left.</p>",
            "date_published": "2014-10-30T02:00:00Z",
        },
        {"id": "p2", "images": [{"url": "/a", "alt": "A queue"}], "date_modified": "2014-10-29T21:00:00Z"},
        {"id": "p3", "headline": "Undated"},
    ]
    file = tmp_path / "archive.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    shell("import", story, str(file))

    listed = [line.split("\t") for line in shell("list", story).stdout.splitlines()]

    assert [(row[0], row[2], row[4]) for row in listed] == [
        ("p1", "2014-10-30 02:00 UTC", "Dr. Lee has won."),
        ("p2", "updated 2014-10-29 21:00 UTC", "A queue"),
        ("p3", "unknown", "Undated"),
    ]
    assert shell("history", story, "p1").stdout.rstrip().endswith("\tpublished: Dr. Lee has won.")
    assert "\t2014-10-30 02:00 UTC\t" in shell("story", "list").stdout
    shell("story", "create", "a-later-one", "--headline", "Live")
    shell("story", "end", story)
    shell("story", "create", "zulu", "--headline", "Live too")
    assert [line.split("\t")[0] for line in shell("story", "list").stdout.splitlines()][-1] == story


def test_list_pages_through_everything(shell, story):
    for n in range(7):
        shell("post", story, "--headline", f"Post {n}", "--id", f"p{n}")
    listed = [line.split("\t")[0] for line in shell("list", story, "--all").stdout.splitlines()]
    assert listed == [f"p{n}" for n in reversed(range(7))]
    page = shell.json("list", story, "--limit", "2", "--before", "p5")
    assert [post["id"] for post in page["posts"]] == ["p4", "p3"]
    assert page["has_more"] is True


def test_a_list_that_is_cut_says_so(shell, story):
    for n in range(4):
        shell("post", story, "--headline", f"Post {n}", "--id", f"p{n}")
    assert "(2 more): --before p2 " in shell("list", story, "--limit", "2").stderr
    assert "(2 more): --before p2 " in shell("list", story, "--limit", "2", "--json").stderr
    assert "There are older posts: --before p1 " in shell("list", story, "--limit", "1", "--before", "p2").stderr
    for whole in (["--all"], ["--limit", "4"], ["--before", "p1"]):
        assert shell("list", story, *whole).stderr == ""


def test_times_are_those_of_the_storys_zone_and_say_which(shell):
    shell("story", "create", "tokyo", "--headline", "Tokyo", "--time-zone", "Asia/Tokyo")
    shell("post", "tokyo", "--headline", "One", "--id", "p1", "--date-published", "2023-03-14T20:00:00Z")
    assert "\t2023-03-15 05:00 JST\t" in shell("list", "tokyo").stdout
    assert " JST\t" in shell("history", "tokyo", "p1").stdout
    assert " JST\t" in shell("story", "list").stdout


def test_history_says_who_and_what_and_each_note_once(shell, story):
    import getpass

    shell("post", story, "--headline", "One", "--id", "p1")
    shell("edit", story, "p1", "--headline", "Two", "--change-note", "Says more.")
    shell("correct", story, "p1", "--note", "Not one.")
    shell("edit", story, "p1", "--key", "--minor")
    rows = [row.split("\t") for row in shell("history", story, "p1").stdout.splitlines()]
    assert [row[3] for row in rows] == [
        "published: One",
        "headline: [-One-]{+Two+}; note: Says more.",
        "correction: Not one.",
        "key event",
    ]
    me = os.environ.get("SUDO_USER") or getpass.getuser()
    assert [row[2] for row in rows] == [me] * 4
    assert {one["changed_by"] for one in shell.json("history", story, "p1")["revisions"]} == {me}
    assert "changed_by" not in shell("export", story).stdout


@pytest.mark.parametrize("option", ["--image", "--lead-image"])
def test_a_picture_that_only_this_computer_has_is_refused(shell, story, tmp_path, option):
    file = tmp_path / "a.jpg"
    file.write_bytes(b"")
    command = ["post", story, "--headline", "h"] if option == "--image" else ["story", "edit", story]
    for url in (str(file), file.as_uri()):
        assert "is a file on this computer" in shell(*command, option, url, ends=65).stderr
        if option == "--image":
            html = f'<p>a</p><IMG alt="a" src="{url}">'
            for way in (["--html", html], ["--html", "-"]):
                assert "is a file on this computer" in shell(*command, *way, stdin=html, ends=65).stderr
    for url in ("a.jpg", "./a.jpg", r"C:\a.jpg", "data:image/png;base64,AA", "//x/a.jpg", "javascript:a"):
        assert "must be an http:// or https:// address" in shell(*command, option, url, ends=65).stderr
    shell(*command, option, "/images/a.jpg")
    assert len(shell.json("list", story)["posts"]) == (option == "--image")


def test_a_text_that_leads_to_a_file_of_this_computer_is_refused(shell, story, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "the boat (1).jpg"
    file.write_bytes(b"")
    (tmp_path / "a.pdf").write_bytes(b"")
    bodies = [
        f"![]({file.as_uri()})",
        f"Look: ![A boat](<{file}> 'at noon')",
        "See [the list]( a.pdf)",
        "![x]\n\n[x]: a.pdf",
    ]
    for body in [*bodies, "![a](the%20boat%20%281%29.jpg)"]:
        for way in (["--body", body], ["--body", "-"]):
            said = shell("post", story, "--headline", "h", *way, stdin=body, ends=65).stderr
            assert "body: " in said
            assert "is a file on this computer, which readers cannot see; upload it and give its address" in said
    parts = [
        "<video poster=a.pdf>",
        "<a href='a.pdf'>x</a>",
        "<img srcset='/b.jpg 1x, a.pdf 2x'>",
        "<object data=a.pdf>",
    ]
    for html in parts:
        said = shell("post", story, "--headline", "h", "--html", html, ends=65).stderr
        assert "content_html: a.pdf is a file on this computer" in said
    assert shell.json("list", story)["posts"] == []
    shell("post", story, "--headline", "h", "--body", "[a](/a.pdf) ![b](https://i.example/a.pdf) a.pdf (a.pdf)")


@pytest.mark.parametrize(
    ("arguments", "guess"),
    [
        (["list", "nihgt"], "night"),
        (["show", "nigth", "p1"], "night"),
        (["post", "nght", "--headline", "h"], "night"),
        (["story", "end", "nihgt"], "night"),
        (["export", "nihgt"], "night"),
        (["import", "nihgt", "-"], "night"),
        (["watch", "nihgt"], "night"),
        (["pin", "night", "k7mwq2x9fx"], "k7mwq2x9fd"),
        (["delete", "night", "k7mw"], "k7mwq2x9fd"),
        (["list", "quite-another"], None),
        (["show", "night", "zzz"], None),
    ],
)
def test_a_slip_gets_a_guess(shell, story, arguments, guess):
    shell("post", story, "--headline", "One", "--id", "k7mwq2x9fd")
    said = shell(*arguments, ends=65, stdin='{"headline": "h"}').stderr
    assert (f"did you mean {guess}?" in said) if guess else ("did you mean" not in said)
    assert len(said.splitlines()) == (1 if guess else 2)


def test_an_address_that_is_none_is_told_what_would_be_one(shell):
    said = shell("list", "night", "--url", "ftp://host", ends=65).stderr
    assert "must begin with one of https://, http://, redis://, rediss://, unix://, not 'ftp://host'" in said


@pytest.mark.parametrize("slip", ["tti", "tyt", "ttys", "atty", "tto", "yty"])
def test_a_slip_in_a_name_of_few_letters_gets_one_too(shell, slip):
    shell("story", "create", "tty", "--headline", "h")
    for arguments in (["list", slip], ["post", slip, "--headline", "h"], ["import", slip, "-"]):
        assert "did you mean tty?" in shell(*arguments, ends=65, stdin='{"headline": "h"}').stderr
    for other in ("yyy", "tabs", "t-o-y"):
        assert "did you mean" not in shell("list", other, ends=65).stderr


@pytest.mark.parametrize(
    ("arguments", "is_told"),
    [
        (["show", "night", "stoppress"], True),  # whatever it is called
        (["watch", "quite-another"], True),
        (["import", "quite-another", "-"], False),
        (["token", "revoke", "nobody", "--yes"], False),
    ],
)
def test_who_named_a_story_or_post_is_told_where_they_are(shell, story, arguments, is_told):
    said = shell(*arguments, ends=65, stdin='{"headline": "h"}').stderr
    assert said.endswith("`stoppress list SLUG` the posts of one.\n") == is_told
    assert len(said.splitlines()) == 1 + is_told


def test_a_retried_key_does_not_double(shell, story):
    first = shell("post", story, "--headline", "Once", "--retry", "key-1").stdout
    assert shell("post", story, "--headline", "Once", "--retry", "key-1").stdout == first
    assert len(shell("list", story).stdout.splitlines()) == 1
    assert "another request" in shell("post", story, "--headline", "Twice", "--retry", "key-1", ends=65).stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["post", "no-such", "--headline", "h"], 65, "there is no story no-such"),
        (["post", "No Such", "--headline", "h"], 65, "slug: must be"),
        (["post", "night"], 2, "--headline"),
        (["show", "night", "nope"], 65, "there is no post nope"),
        (["story", "create", "night", "--headline", "h"], 65, "exists already"),
        (["story", "create", "x", "--headline", "h", "--time-zone", "Mars"], 65, "time_zone"),
        (["list", "night", "--url", "ftp://x"], 65, "must begin with"),
        (["list", "night", "--url", "http://x", "--redis", "redis://y"], 2, "different places"),
        (["list", "night", "--url", "http://127.0.0.1:1"], 69, "cannot reach http://127.0.0.1:1"),
        (["list", "night", "--redis", "redis://127.0.0.1:1"], 69, "cannot be reached"),
        (["token", "create", "--name", "x", "--url", "http://127.0.0.1:1"], 65, "where the store is"),
        (["nonsense"], 2, "nonsense"),
        (["pots", "night"], 2, "Did you mean 'post'?"),
        (["story", "strat", "night"], 2, "Did you mean 'start'?"),
        (["show", "night", "nope"], 65, "`stoppress list SLUG`"),
        (["serve", "--port", "99999"], 2, "--port must be from 0 to 65,535"),
        (["serve", "--log-format", "xml"], 2, "--log-format must be one of text, json"),
    ],
)
def test_mistakes_get_a_sentence_and_a_code(shell, story, arguments, code, says):
    said = shell(*arguments, ends=code)
    assert says in said.stderr
    assert "Traceback" not in said.stderr
    assert said.stdout == ""


@pytest.mark.parametrize("place", [("--url", "http://127.0.0.1:1"), ("--redis", "redis://127.0.0.1:1")])
def test_a_change_that_reached_nobody_ends_with_69_and_its_key(shell, place):
    """PROTOCOL, section 5: 69 and 75 print the key. A reading command has none."""
    said = shell("post", "night", "--headline", "Once", *place, ends=69).stderr
    key = said.split("--retry ")[1].split()[0].rstrip(".")
    assert len(key) == 24
    assert "This changed nothing." in said
    assert f"--retry {key}" in shell("post", "night", "--headline", "Once", "--retry", key, *place, ends=69).stderr
    assert "--retry" not in shell("list", "night", *place, ends=69).stderr


def test_a_right_that_the_stores_user_lacks_ends_with_77(shell, story, store_server, settings):
    """It cannot double, and the sentence says what to do."""
    name, where = f"{settings.prefix}-ed", store_server.redis.removeprefix("unix://")
    where = where or str(store_server.data_dir / "store" / "valkey.sock")
    with redis.Redis(unix_socket_path=where) as admin:
        grants = (f"~{settings.prefix}:*", f"&{settings.prefix}:*", "+@all", "-zadd")
        admin.execute_command("ACL", "SETUSER", name, "reset", "on", ">pw", *grants)
        ed = ("--redis", f"unix://{name}@{where}?password=pw")
        for _ in range(3):
            said = shell("post", story, "--headline", "Once", "--retry", "k", *ed, ends=77).stderr
            assert f"lacks the right +zadd, and nothing was done; give it there: ACL SETUSER {name} +zadd" in said
            assert "--retry k" in said
        assert shell.json("list", story)["posts"] == []
        admin.execute_command("ACL", "SETUSER", name, "+zadd")
        for _ in range(2):
            shell("post", story, "--headline", "Once", "--retry", "k", *ed)
        assert len(shell.json("list", story)["posts"]) == 1
        admin.execute_command("ACL", "DELUSER", name)


def test_a_bad_setting_names_its_variable(shell):
    assert "STOPPRESS_BACKLOG" in shell("story", "list", ends=65, STOPPRESS_BACKLOG="many").stderr


def test_tokens(shell):
    made = shell("token", "create", "--name", "CMS", "--role", "contributor", "--story", "night-*")
    assert made.stdout.startswith("stp_")
    assert made.stdout.strip() not in made.stderr
    listed = shell.json("token", "list")["tokens"]
    assert [(one["name"], one["role"], one["story"]) for one in listed] == [("CMS", "contributor", "night-*")]
    assert made.stdout.strip() not in json.dumps(listed)
    shell("token", "revoke", "CMS")
    assert shell("token", "list").stdout == ""
    assert "token list" in shell("token", "revoke", "CMS", ends=65).stderr


def test_hostile_text_cannot_steer_a_terminal(shell, story):
    shell("post", story, "--headline", "left \u202e thgir", "--id", "p1")
    for command in (["list", story], ["show", story, "p1"], ["history", story, "p1"]):
        assert "\u202e" not in shell(*command).stdout


def test_expect_says_whose_version():
    for command, kind in ((["story", "delete"], "story"), (["story", "edit"], "story"), (["delete"], "post")):
        assert f"still the {kind}'s version" in CliRunner().invoke(cli, [*command, "--help"], terminal_width=200).output


def test_help_shows_examples_unwrapped_for_every_command():
    for name in [name for names in COMMANDS.values() for name in names]:
        said = CliRunner().invoke(cli, [name, "--help"])
        assert said.exit_code == 0, said.output
        assert "Examples:\n" in said.output, name
        lines = said.output.partition("Examples:\n")[2].splitlines()
        assert all(line.startswith("  ") and "stoppress" in line for line in lines if line), name


def test_the_menu_needs_no_command_module():
    """Help and completion must stay instant, so they import no command, no store, no web."""
    import subprocess

    script = (
        "import sys; from stoppress.cli.main import cli; cli.main(['--help'], standalone_mode=False);"
        "loaded = [name for name in sys.modules if name.startswith(('stoppress.cli.', 'stoppress.desk', 'redis'))];"
        "print(*sorted(loaded))"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1].split() == ["stoppress.cli.command", "stoppress.cli.main"]


def test_a_failed_export_leaves_the_backup_that_was_there(shell, story, tmp_path):
    backup = tmp_path / "backup.jsonl"
    shell("export", story, "-o", str(backup))
    kept = backup.read_bytes()

    shell("export", "no-such-story", "-o", str(backup), ends=65)

    assert backup.read_bytes() == kept
    assert [path.name for path in tmp_path.iterdir()] == ["backup.jsonl"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("delete", "night", "\udcff", "--yes"),
        ("edit", "night", "p1", "--headline", "B", "--retry", "\udcff"),
        ("export", "\udcff"),
        ("revert", "night", "p1", "99999999999999999999999"),
        ("edit", "night", "p1", "--headline", "B", "--expect", "99999999999999999999999"),
    ],
)
def test_what_no_request_may_hold_is_a_sentence(shell, story, arguments):
    shell("post", story, "--headline", "A", "--id", "p1")

    said = shell(*arguments, ends=65)

    assert len(said.stderr.splitlines()) == 1


# HTML, and what is said of a text


def test_html_is_taken_and_what_it_loses_is_said_on_stderr(shell, story):
    html = '<p>a</p><iframe src="https://v.example/1" title="Film"></iframe>'
    done = shell("post", story, "--headline", "h", "--html", "-", "--id", "p", stdin=html)
    assert done.stdout.startswith("p  http")
    assert done.stderr == "warning: iframe became a link to https://v.example/1\n"
    held = shell.json("show", story, "p")
    assert held["body"] == ""
    assert held["content_html"].startswith('<p>a</p><p><a href="https://v.example/1"')

    edited = shell("edit", story, "p", "--html", "<div>b</div>", "--json")
    assert json.loads(edited.stdout)["content_html"] == "<p>b</p>"
    assert shell("edit", story, "p", "--headline", "i").stderr == ""
    assert shell.json("show", story, "p")["content_html"] == "<p>b</p>"


def test_html_from_a_file(shell, story, tmp_path):
    (tmp_path / "a.html").write_text("<table><tr><td>Red<td>12</table>")
    shell("post", story, "--headline", "h", "--html-file", str(tmp_path / "a.html"), "--id", "p")
    assert shell.json("show", story, "p")["article_body"] == "Red · 12"


def test_two_bodies_are_one_too_many(shell, story):
    said = shell("post", story, "--headline", "h", "--html", "<p>a</p>", "--body", "a", ends=2).stderr
    assert "--body and --html are two" in said


def test_a_body_that_is_html_goes_live_with_a_warning(shell, story):
    done = shell("post", story, "--headline", "h", "--body", "<p>Hello</p>")
    assert done.stderr.startswith("warning: <p> is shown as it stands: a body is Markdown")
    told = json.loads(shell("post", story, "--headline", "h", "--body", "<p>Hello</p>", "--json").stdout)
    assert told["warnings"][0].startswith("<p> is shown")


def test_an_import_names_what_it_could_not_keep_and_foreign_ids(shell, story, tmp_path):
    file = tmp_path / "a.jsonl"
    rows = [{"id": f"urn:x:{n}", "headline": "h", "content_html": "<p>a</p><form>b</form>"} for n in range(23)]
    file.write_text("\n".join(json.dumps(row) for row in rows))
    for more in (["--dry-run"], []):
        told = shell("import", story, str(file), *more).stdout.splitlines()
        assert told[0].startswith("line 1 (0-")
        assert told[0].endswith("): form left out, its text kept")
        assert told[20] == "and 3 more; --json names them"
        assert told[21].startswith("id urn:x:0 became 0-")
        assert told[41] == "and 3 more ids; --json names them"
    assert len(shell.json("import", story, str(file), "--dry-run")["warnings"]) == 23
    said = shell("import", story, str(file), "--strict", ends=65).stderr
    assert said.startswith("stoppress: line 1: content_html: form left out, its text kept")
    assert said.endswith("and 3 more\n")


def test_a_file_of_another_system_is_imported(shell, story, tmp_path):
    file = tmp_path / "entries.json"
    file.write_text('{"entries": [{"id": 1, "type": "new", "content": "A ferry.", "entry_time": 1772615400}]}')
    shell("import", story, str(file), "--from", "wordpress")
    assert shell.json("show", story, "1")["article_body"] == "A ferry."
    assert "file: is no ninjs" in shell("import", story, str(file), "--from", "ninjs", ends=65).stderr


def test_items_of_another_system_are_named_by_their_own_ids(shell, story, tmp_path):
    file = tmp_path / "posts.json"

    def posts(*items, date="2026-03-04T10:00:00+0000"):
        refs = [{"item": item} for item in items]
        post = {"_id": "urn:a:1", "published_date": date, "groups": [{"refs": refs}]}
        file.write_text(json.dumps({"_items": [post, {"_id": "urn:a:2", "post_status": "draft"}]}))
        return "import", story, str(file), "--from", "liveblog3"

    call = posts({"item_type": "text", "text": "<p>a</p><form>b</form>"}, {"item_type": "scorecard"})
    lines = shell(*call, "--dry-run").stdout.splitlines()
    assert lines[:3] == [
        "file: left behind: 1 draft",
        "urn:a:1: scorecard left out: it has no text",
        "urn:a:1: form left out, its text kept",
    ]
    warnings = shell.json(*call, "--dry-run")["warnings"]
    assert [(one["line"], one["item"], one["id"]) for one in warnings] == [
        (0, "file", ""),
        *[(1, "urn:a:1", warnings[2]["id"])] * 2,
    ]
    said = shell(*call, "--strict", ends=65).stderr
    assert said.startswith("stoppress: urn:a:1: scorecard left out: it has no text (strict")
    call = posts({"item_type": "text", "text": "<form>b</form>"})
    assert "urn:a:1: content_html: form left out" in shell(*call, "--strict", ends=65).stderr
    assert "urn:a:1: date_published: is not" in shell(*posts({"text": "a"}, date="noon"), ends=65).stderr
