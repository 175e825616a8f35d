"""What a person at a terminal sees: tables that fit, questions, $EDITOR, a bar; on a real pseudo-terminal."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from stoppress.cli.draft import SCISSORS
from stoppress.cli.output import cut, line, width, wrapped
from support import until_now


def test_a_table_fits_the_terminal_and_is_whole_when_piped(shell, story, terminal):
    long = "Über den Wolken " * 8
    shell("post", story, "--headline", long.strip(), "--id", "p1")
    shell("post", story, "--headline", "選挙の夜" * 20, "--id", "p2")
    seen = re.sub(r"\x1b\[[0-9;]*m", "", terminal("list", story).end()).splitlines()
    assert seen[0].split() == ["ID", "V", "PUBLISHED", "MARKS", "HEADLINE"]
    assert all(width(row) <= 60 for row in seen)
    assert seen[1].endswith("…")
    assert shell("list", story).stdout.splitlines()[1].endswith(long.strip())


@pytest.mark.parametrize("columns", [40, 80])
def test_rows_that_do_not_fit_are_laid_below_each_other(shell, story, terminal, columns):
    shell("post", story, "--headline", "Polls close in the east of the country", "--id", "k7mwq2x9fd", "--breaking")
    shell("edit", story, "k7mwq2x9fd", "--headline", "選挙の夜" * 20, "--change-note", "All of it, in Japanese.")
    for command in (["list", story], ["history", story, "k7mwq2x9fd"], ["story", "list"]):
        seen = re.sub(r"\x1b\[[0-9;]*m", "", terminal(*command, columns=columns).end())
        assert all(width(row) <= columns for row in seen.splitlines()), seen
        assert "Election night" in seen or "k7mwq2x9fd" in seen or "note: All of it, in" in " ".join(seen.split())
    told = "".join(terminal("history", story, "k7mwq2x9fd", columns=columns).end().split())
    assert "選挙の夜" * 20 in told  # nothing of it is cut


def test_no_color_leaves_the_head_plain(shell, story, terminal):
    shell("post", story, "--headline", "One")
    assert "\x1b[1m" in terminal("list", story).end()
    assert "\x1b" not in terminal("list", story, NO_COLOR="1").end()


@pytest.mark.parametrize(
    ("text", "room", "lines"),
    [
        ("a bb ccc", 4, ["a bb", "ccc"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("選挙の夜", 5, ["選挙", "の夜"]),
        ("選", 1, ["選", ""]),
        ("a\nb", 9, ["a", "b"]),
        ("", 9, [""]),
    ],
)
def test_wrapped(text, room, lines):
    assert wrapped(text, room) == lines


def test_taking_out_asks_and_no_means_no(shell, story, terminal):
    shell("post", story, "--headline", "One", "--id", "p1")
    asked = terminal("delete", story, "p1", "--purge")
    asked.until("[y/N]")
    asked.type("n\n")
    asked.end()
    assert asked.process.returncode == 1
    assert shell.json("show", story, "p1")["headline"] == "One"
    asked = terminal("delete", story, "p1")
    asked.until("Delete the post “One” (p1) in night? [y/N]")
    asked.type("y\n")
    assert "p1 deleted" in asked.end()
    told = terminal("story", "delete", story, "--yes")
    assert "deleted" in told.end()


def editor(tmp_path, text: str) -> str:
    """An $EDITOR that keeps what it was given and leaves `text`."""
    script = tmp_path / "editor.py"
    script.write_text(
        "import pathlib, sys\n"
        "file = pathlib.Path(sys.argv[-1])\n"
        f"pathlib.Path({str(tmp_path / 'given')!r}).write_text(file.read_text())\n"
        f"file.write_text({text!r} or file.read_text())\n"
    )
    return f"{sys.executable} {script}"


def test_a_post_written_in_the_editor(shell, story, terminal, tmp_path):
    written = editor(tmp_path, "Polls close\n\nThe *first* counts.\n\nLater.\n\n---- >8 ----\nnot this")
    seen = terminal("post", story, "--editor", "--id", "p1", EDITOR=written).end()
    assert "http://127.0.0.1:8000/live/night/posts/p1" in seen
    post = shell.json("show", story, "p1")
    assert (post["headline"], post["body"]) == (
        "Polls close",
        "The *first* counts.\n\nLater.\n\n---- >8 ----\nnot this",
    )


def test_an_edit_in_the_editor_starts_with_the_text_and_leaves_the_scissors_out(shell, story, terminal, tmp_path):
    shell("post", story, "--headline", "One", "--body", "Two", "--id", "p1")
    seen = terminal("edit", story, "p1", "--editor", "--json", EDITOR=editor(tmp_path, "")).end()
    assert (tmp_path / "given").read_text() == f"One\n\nTwo\n\n{SCISSORS}\n"
    assert "version" not in seen or json.loads(seen)["version"] == 1
    terminal("edit", story, "p1", "--editor", EDITOR=editor(tmp_path, f"Uno\n\nDos\n\n{SCISSORS}\n")).end()
    post = shell.json("show", story, "p1")
    assert (post["headline"], post["body"], post["version"]) == ("Uno", "Dos", 2)


def test_a_post_of_html_is_edited_as_html(shell, story, terminal, tmp_path):
    shell("post", story, "--headline", "Uno", "--html", "<p>Dos</p>", "--id", "p1")
    terminal("edit", story, "p1", "--editor", EDITOR=editor(tmp_path, "Uno\n\n<p>Tres</p>")).end()
    assert (tmp_path / "given").read_text().startswith("Uno\n\n<p>Dos</p>\n\n--")
    held = shell.json("show", story, "p1")
    assert (held["body"], held["content_html"]) == ("", "<p>Tres</p>")


def test_an_empty_text_from_the_editor_publishes_nothing(shell, story, terminal, tmp_path):
    given_up = terminal("post", story, "--editor", EDITOR=editor(tmp_path, "\n\n"))
    given_up.end()
    assert given_up.process.returncode == 1
    assert shell("list", story).stdout == ""
    assert "needs a terminal" in shell("post", story, "--editor", ends=2).stderr


def test_a_long_import_shows_how_far_it_is(terminal, tmp_path):
    file = tmp_path / "many.jsonl"
    rows = [{"story": {"headline": "Many"}}, *({"id": f"p{n}", "headline": f"Post {n}"} for n in range(600))]
    file.write_text("\n".join(json.dumps(row) for row in rows))
    seen = terminal("import", "many", str(file)).end()
    assert "600 of 600 posts" in seen
    assert "600 added" in seen


def test_ctrl_c_is_quiet(story, terminal):
    watching = terminal("watch", story, "--json")
    watching.until("snapshot")
    watching.type("\x03")
    seen = watching.end()
    assert watching.process.returncode in (130, -2)
    assert "Traceback" not in seen
    assert "Aborted" not in seen


def test_ctrl_c_ends_a_demo_that_has_just_begun_without_a_word(terminal, tmp_path):
    """Its other process is still starting then."""
    serving = terminal("serve", "--port", "0")
    serving.until("http")
    serving.type("\x03")
    serving.end()
    playing = terminal("demo", "--port", "0", "--data-dir", str(tmp_path / "demo"))
    playing.until("Ctrl-C stops everything.")
    until_now(lambda: children(playing.process.pid))
    playing.type("\x03")
    seen = playing.end()
    assert playing.process.returncode == serving.process.returncode
    assert "Traceback" not in seen
    assert "Error" not in seen


def children(pid: int) -> list[str]:
    """The replay; not the store, which has a name of its own."""
    lines = subprocess.run(["ps", "-o", "args=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [line for line in lines.splitlines() if "stoppress.demo.replay" in line]


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("選挙", 4), ("e\u0301e\u0301", 2), ("", 0)])
def test_columns_are_what_a_terminal_takes(text, columns):
    assert width(text) == columns


def test_cut_and_line():
    assert cut("選挙の夜", 5) == "選挙…"
    assert cut("short", 5) == "short"
    assert line("a\x1b[31mb\u202ec\nd") == "a [31mb c d"
