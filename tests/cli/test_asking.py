"""Every command that asks, reads or opens an editor, and everything that can end it there: its exit code, its sentence,
and what is stored. On a real pseudo-terminal; `-rP` prints the cells as a table."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from support import until_now

# What is tried here is the terminal's side; the stores' own tests run them both.
pytestmark = pytest.mark.parametrize("store_server", ["embedded"], indirect=True)

ASKING = {
    "delete": (["delete", "night", "p1"], "Delete the post “One” (p1) in night? [y/N]", 0),
    "delete --purge": (["delete", "night", "p1", "--purge"], "Erase the post “One” (p1) in night", 2),
    "story delete": (["story", "delete", "night"], "Delete the story “Election night” (night) and its post", 2),
    "token revoke": (["token", "revoke", "CMS"], "Revoke the token “CMS” (editor, stories *)? [y/N]", 0),
}
READING = {
    "post --body -": ["post", "night", "--headline", "Two", "--body", "-"],
    "post --body-file -": ["post", "night", "--headline", "Two", "--body-file", "-"],
    "edit --body -": ["edit", "night", "p1", "--body", "-"],
    "post --html -": ["post", "night", "--headline", "Two", "--html", "-"],
    "edit --html-file -": ["edit", "night", "p1", "--html-file", "-"],
    "edit --body-file -": ["edit", "night", "p1", "--body-file", "-"],
    "import -": ["import", "night", "-"],
}
EDITING = {
    "post --editor": ["post", "night", "--editor"],
    "edit --editor": ["edit", "night", "p1", "--editor"],
}
TYPED = '{"headline": "Three"}\n'  # good for a body and for an import


@pytest.fixture
def drafts(env):
    """What texts are kept."""
    home = Path(env["XDG_STATE_HOME"], "stoppress", "drafts")

    def kept() -> list[Path]:
        return sorted(home.glob("*"))

    return kept


@pytest.fixture
def state(shell, story):
    """All that is stored, as text; a story with a post, and a token."""
    shell("post", story, "--headline", "One", "--body", "Words.", "--id", "p1")
    shell("token", "create", "--name", "CMS")

    def read() -> str:
        stories = shell.json("story", "list")
        exported = [shell("export", one["slug"]).stdout for one in stories["stories"]]
        return json.dumps([exported, shell.json("token", "list")])

    return read


@pytest.fixture
def cell(state):
    """Checks one cell: how the command ended, what it said, whether anything was changed."""
    before = state()

    def check(process, seen: str, *, ends: int, says: str, changes: bool) -> str:
        flat = " ".join(plain(seen).split())
        assert process.returncode == ends, seen
        assert says in flat, seen
        assert "Traceback" not in seen
        assert (state() != before) == changes, seen
        print(f"{os.environ['PYTEST_CURRENT_TEST'].partition('::')[2]} | {ends} | {says} | {changes}")
        return flat

    return check


def plain(seen: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", seen)


def run(env, arguments: list[str], shape: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """The command without a terminal; `shape`: a shell's way to say what its streams are."""
    line = f'"$0" -m stoppress "$@" {shape}'
    done = subprocess.run(
        ["sh", "-c", line, sys.executable, *arguments],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done, done.stdout + done.stderr


# Questions


@pytest.mark.parametrize("name", ASKING)
@pytest.mark.parametrize(
    ("way", "ends", "says"),
    [
        ("\x03", 130, "stopped; nothing was changed"),
        ("\x04", 1, "nothing was changed"),
        ("\n", 1, "nothing was changed"),
        ("n\n", 1, "nothing was changed"),
        ("what\nno\n", 1, "y for yes, n for no"),
        ("SIGTERM", 143, "stopped; nothing was changed"),
        ("SIGHUP", 129, "stopped; nothing was changed"),
        ("y\n", 0, ""),
    ],
    ids=["ctrl-c", "ctrl-d", "enter", "no", "nonsense", "sigterm", "sighup", "yes"],
)
def test_a_question(cell, terminal, name, way, ends, says):
    arguments, question, _ = ASKING[name]
    asked = terminal(*arguments, columns=100)
    assert question in asked.until("[y/N]")
    if way.startswith("SIG"):
        asked.process.send_signal(getattr(signal, way))
    else:
        asked.type(way)
    seen = asked.end()
    cell(asked.process, seen, ends=ends, says=says, changes=ends == 0)


@pytest.mark.parametrize("name", ASKING)
@pytest.mark.parametrize("shape", ["< /dev/null", "<&-", "< /dev/null 2>&1 | cat", "--yes <&- >&- 2>&-"])
def test_nobody_to_ask(cell, env, name, shape):
    """What can be undone is done, what cannot needs --yes."""
    arguments, _, ends = ASKING[name]
    ends = 0 if "--yes" in shape else ends
    done, said = run(env, arguments, shape)
    done.returncode = ends if "|" in shape else done.returncode
    cell(done, said, ends=ends, says="" if ends == 0 else "say --yes", changes=ends == 0)


def test_a_terminal_that_cannot_show_the_question_is_nobody(cell, terminal):
    deleting = terminal("story", "delete", "night", streams={"stderr": subprocess.DEVNULL})
    cell(deleting.process, deleting.end(), ends=2, says="", changes=False)


@pytest.mark.parametrize("name", ASKING)
def test_a_question_on_forty_columns_without_colour(cell, terminal, name):
    arguments, question, _ = ASKING[name]
    asked = terminal(*arguments, columns=40, NO_COLOR="1")
    asked.until("[y/N]")
    asked.type("n\n")
    seen = asked.end()
    assert question in cell(asked.process, seen, ends=1, says="nothing was changed", changes=False)
    assert "\x1b" not in seen
    assert max(map(len, seen.splitlines())) <= 40


# Standard input


@pytest.mark.parametrize("name", READING)
@pytest.mark.parametrize(
    ("way", "ends", "says"),
    [
        ("\x03", 130, "stopped; nothing was changed"),
        ("\x04", 65, "empty"),
        (TYPED + "\x03", 130, "stopped; nothing was changed"),
        (TYPED + "\x04", 0, ""),
    ],
    ids=["ctrl-c", "ctrl-d", "text, ctrl-c", "text, ctrl-d"],
)
def test_reading_from_a_terminal(cell, terminal, drafts, name, way, ends, says):
    reading = terminal(*READING[name], columns=100)
    reading.until("Ctrl-C gives up.\r\n")
    assert ("Write the HTML;" in plain(reading.seen)) == ("html" in name)
    typed, key = way[:-1], way[-1]
    if typed:
        reading.type(typed)
        reading.until(typed.strip())  # echoed
        until_now(reading.is_taken)
    reading.type(key)
    seen = reading.end()
    cell(reading.process, seen, ends=ends, says=says, changes=ends == 0)
    kept = [file.read_text() for file in drafts()]
    assert kept == ([TYPED] if typed and ends == 130 and name != "import -" else [])
    if kept:
        option = "--html-file" if "html" in name else "--body-file"
        assert f"{option} {drafts()[0]}" in plain(seen)


@pytest.mark.parametrize("name", READING)
@pytest.mark.parametrize("shape", ["< /dev/null", "<&-"])
def test_reading_nothing_is_refused(cell, env, drafts, name, shape):
    done, said = run(env, READING[name], shape)
    flat = cell(done, said, ends=65, says="empty", changes=False)
    assert ('--html ""' in flat, '--body ""' in flat) == ("html" in name, "body" in name)
    assert drafts() == []


@pytest.mark.parametrize("name", READING)
@pytest.mark.parametrize("shape", [">&-", "| true", "> /dev/null 2>&-"])
def test_nobody_who_hears_the_result(cell, env, name, shape):
    """It is done, and that is what the exit code says."""
    done = subprocess.run(
        ["bash", "-c", f'set -o pipefail; "$0" -m stoppress "$@" {shape}', sys.executable, *READING[name]],
        env={**os.environ, **env},
        input=TYPED,
        capture_output=True,
        text=True,
        timeout=60,
    )
    cell(done, done.stderr, ends=0, says="", changes=True)


@pytest.mark.parametrize("arguments", [["list", "night"], ["story", "list"], ["history", "night", "p1"]])
@pytest.mark.parametrize(
    ("shape", "ends", "says"), [("| head -0", 0, ""), (">&-", 0, ""), ("> /dev/full", 74, "No space left")]
)
def test_reading_commands_whose_output_goes_nowhere(cell, env, arguments, shape, ends, says):
    done, said = run(env, arguments, shape)
    cell(done, said, ends=ends, says=says, changes=False)


def test_a_change_whose_result_cannot_be_written_says_that_it_is_done(cell, env):
    done, said = run(env, ["post", "night", "--headline", "Two"], "> /dev/full")
    cell(done, said, ends=74, says="it is done, but", changes=True)


def test_what_was_piped_is_kept_when_it_cannot_be_stored(shell, state, drafts):
    said = shell("post", "nihgt", "--headline", "Two", "--body", "-", stdin="A long text.\n", ends=65).stderr
    assert "did you mean night?" in said
    (kept,) = drafts()
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == ("A long text.\n", 0o600)
    assert said.splitlines()[-1] == f"  stoppress post nihgt --headline Two --body-file {kept}"
    # The printed command, its slug mended: stored, and the file is gone.
    assert shell.json("post", "night", "--headline", "Two", "--body-file", str(kept))["body"] == "A long text."
    assert drafts() == []


def test_somebodys_own_file_stays(shell, state, tmp_path):
    file = tmp_path / "body.md"
    file.write_text("Mine.")
    shell("post", "night", "--headline", "Two", "--body-file", str(file))
    assert file.read_text() == "Mine."


# $EDITOR


@pytest.fixture
def editor(tmp_path):
    """An $EDITOR that runs a shell script; `$1` is the file. It leaves `opened` behind."""

    def write(script: str) -> str:
        file = tmp_path / "editor"
        file.write_text(f'#!/bin/sh\ntouch "{tmp_path}/opened"\n{script}\n')
        file.chmod(0o755)
        return str(file)

    return write


WRITE = "printf 'My headline\\n\\nMy words.\\n' > \"$1\"\n"


@pytest.mark.parametrize("name", EDITING)
@pytest.mark.parametrize(
    ("script", "ends", "says", "keeps"),
    [
        ("exit 1", 1, "ended with 1; nothing was changed", False),
        (WRITE + "exit 1", 1, "ended with 1; nothing was changed The text is kept in", True),
        (WRITE + "kill -9 $$", 1, "was killed by SIGKILL; nothing was changed The text is kept in", True),
        (WRITE + "kill -INT $$", 130, "stopped; nothing was changed The text is kept in", True),
        (': > "$1"', 1, "nothing was written, and nothing was changed", False),
        ("", 1, "nothing was", False),
        ("printf '%0301d\\n\\nMy words.' 7 > \"$1\"", 65, "headline: must be text of at most 300", True),
        ("printf '\\377 a\\n' > \"$1\"", 65, "is not UTF-8", True),
        (WRITE, 0, "", False),
    ],
    ids=["exit 1", "text, exit 1", "killed", "interrupted", "emptied", "untouched", "too long", "no text", "written"],
)
def test_an_editor_that_ends(cell, terminal, editor, drafts, name, script, ends, says, keeps):
    writing = terminal(*EDITING[name], columns=300, EDITOR=editor(script), VISUAL="")
    seen = writing.end()
    flat = cell(writing.process, seen, ends=ends, says=says, changes=ends == 0)
    assert len(drafts()) == keeps
    if keeps:
        assert f"stoppress {' '.join(EDITING[name])} --draft {drafts()[0]}" in flat


@pytest.mark.parametrize("name", EDITING)
def test_an_editor_that_is_not_there(cell, terminal, drafts, name):
    writing = terminal(*EDITING[name], columns=300, EDITOR="/no/such/editor --wait", VISUAL="")
    cell(writing.process, writing.end(), ends=1, says="cannot be started (No such file", changes=False)
    assert drafts() == []


@pytest.mark.parametrize("name", EDITING)
def test_without_a_terminal_no_editor_is_opened(cell, env, drafts, name):
    done, said = run(env, EDITING[name], "< /dev/null")
    cell(done, said, ends=2, says="--editor needs a terminal", changes=False)
    assert drafts() == []


WAIT = WRITE + "echo; echo is open; exec sleep 60"


@pytest.mark.parametrize("name", EDITING)
@pytest.mark.parametrize(("way", "ends"), [("\x03", 130), ("SIGTERM", 143), ("SIGHUP", 129), ("SIGKILL", -9)], ids=repr)
def test_what_ends_the_command_while_the_editor_is_open_leaves_the_text(
    cell, terminal, editor, drafts, name, way, ends
):
    writing = terminal(*EDITING[name], columns=300, EDITOR=editor(WAIT), VISUAL="")
    writing.until("is open")
    if way.startswith("SIG"):
        writing.process.send_signal(getattr(signal, way))
    else:
        writing.type(way)  # to the editor, which ends by it
    if ends == -9:
        writing.process.wait(20)
        seen = writing.seen
        writing.type("\x03")  # the editor is left alone on the terminal
    else:
        seen = writing.end()
    says = "" if ends == -9 else "stopped; nothing was changed The text is kept in"
    cell(writing.process, seen, ends=ends, says=says, changes=False)
    (kept,) = drafts()
    assert kept.read_text() == "My headline\n\nMy words.\n"


@pytest.mark.parametrize("name", EDITING)
def test_ctrl_c_that_the_editor_takes_for_itself_ends_nothing(cell, terminal, editor, drafts, name):
    script = f"trap 'echo heard; exec 3<&-' INT\necho; echo is open\nread answer\nread answer\n{WRITE}"
    writing = terminal(*EDITING[name], columns=300, EDITOR=editor(script), VISUAL="")
    writing.until("is open")
    writing.type("\x03")
    writing.until("heard")
    writing.type("a\nb\n")
    cell(writing.process, writing.end(), ends=0, says="night/posts/", changes=True)


@pytest.mark.parametrize(
    ("arguments", "ends", "says"),
    [
        (["post", "nihgt", "--editor"], 65, "did you mean night?"),
        (["post", "night", "--editor", "--id", "p1"], 65, "post p1 exists already"),
        (["post", "night", "--editor", "--image", "x.jpg"], 65, "images[0].url"),
        (["post", "night", "--editor", "--date-published", "2199-01-01T00:00:00Z"], 65, "lies in the future"),
        (["post", "night", "--editor", "--body", "x"], 2, "one body"),
        (["edit", "night", "p2", "--editor"], 65, "no post p2"),
        (["edit", "night", "p1", "--editor", "--author", "{"], 65, "not JSON"),
        (["edit", "night", "p0", "--editor"], 65, "is withdrawn; restore it first"),
        (["post", "nihgt", "--headline", "Two", "--body", "-"], 65, "did you mean night?"),
    ],
)
def test_what_can_be_known_is_said_before_anybody_writes(
    shell, state, terminal, editor, drafts, tmp_path, arguments, ends, says
):
    shell("post", "night", "--headline", "Zero", "--id", "p0")
    shell("withdraw", "night", "p0", "--note", "No.")
    writing = terminal(*arguments, columns=300, EDITOR=editor(WRITE), VISUAL="")
    seen = writing.end()
    assert (writing.process.returncode, says in seen) == (ends, True), seen
    assert not (tmp_path / "opened").exists()
    assert "Ctrl-D" not in seen
    assert drafts() == []


# Over HTTP, where more can go wrong


@pytest.fixture
def server(process, state):
    started = process("serve", "--port", "0", "--drain-s", "0")
    started.address = started.stdout.readline().decode().split()[0]
    return started


def test_who_may_not_write_is_told_before_the_editor_opens(shell, state, server, terminal, editor, tmp_path):
    token = shell("token", "create", "--name", "r", "--role", "viewer").stdout.strip()
    where = {"STOPPRESS_URL": server.address, "STOPPRESS_TOKEN": token}
    for arguments in EDITING.values():
        writing = terminal(*arguments, columns=300, EDITOR=editor(WRITE), VISUAL="", **where)
        seen = writing.end()
        assert (writing.process.returncode, "not write there" in seen) == (77, True), seen
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize("name", EDITING)
def test_a_server_that_went_away_meanwhile(cell, shell, state, server, terminal, editor, drafts, name):
    token = shell("token", "create", "--name", "e").stdout.strip()
    where = {"STOPPRESS_URL": server.address, "STOPPRESS_TOKEN": token}
    script = f"{WRITE}kill -9 {server.pid}; while kill -0 {server.pid} 2>/dev/null; do sleep 0.01; done"
    # A killed child of this test stays a zombie that `kill -0` finds until it is waited for.
    threading.Thread(target=server.wait, daemon=True).start()
    writing = terminal(*EDITING[name], columns=300, EDITOR=editor(script), VISUAL="", **where)
    seen = writing.end()
    assert writing.process.returncode == 69, seen
    (kept,) = drafts()
    key = re.findall(r"--retry (\w+)", seen)[-1]
    assert token not in seen
    expect = ["--expect", "1"] if name.startswith("edit") else []
    again = [*EDITING[name][:-1], "--draft", str(kept), "--retry", key, *expect]
    assert f"stoppress {' '.join(again)}" in seen
    # What was printed, once the server is back: here straight to the store.
    assert shell.json(*again)["headline"] == "My headline"
    assert drafts() == []


def test_what_failed_before_it_asked_has_no_key_to_repeat_it_with(terminal):
    deleting = terminal("delete", "night", "p1", "--redis", "redis://127.0.0.1:1", columns=300)
    seen = deleting.end()
    assert deleting.process.returncode == 69, seen
    assert "--retry" not in seen


def test_ctrl_c_while_the_answer_is_awaited_is_honest(state, terminal):
    """75 and the key: it may have been done."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        posting = terminal("post", "night", "--headline", "Two", "--url", address, columns=300)
        client, _ = deaf.accept()
        with client:
            while b'{"headline"' not in client.recv(65536):
                pass
            posting.type("\x03")
            seen = posting.end()
    assert posting.process.returncode == 75
    assert "may have been done" in seen
    assert "--retry " in seen


# Two at one post


def test_a_conflict_shows_what_the_other_changed_and_how_to_go_on(shell, state, terminal, editor, drafts, env):
    other = f"{sys.executable} -m stoppress edit night p1 --headline 'Their headline' --byline 'By Bo' > /dev/null"
    writing = terminal("edit", "night", "p1", "--editor", columns=300, EDITOR=editor(f"{other}\n{WRITE}"), VISUAL="")
    seen = plain(writing.end())
    assert writing.process.returncode == 65, seen
    assert "-One\r\n+Their headline\r\n" in seen
    assert "Changed besides: byline" in seen
    (kept,) = drafts()
    assert kept.read_text().startswith("My headline\n\nMy words.\n\n-----")
    assert "+Their headline" in kept.read_text()
    command = f"edit night p1 --editor --draft {kept} --expect 2"
    assert f"stoppress {command}" in seen
    again = terminal(*command.split(), EDITOR="true", VISUAL="")
    assert "version 3" in again.end()
    post = shell.json("show", "night", "p1")
    assert (post["headline"], post["body"], post["byline"]) == ("My headline", "My words.", "By Bo")
    assert drafts() == []


def test_a_text_of_html_is_kept_and_gone_on_with_as_html(shell, state, terminal, editor, drafts):
    shell("post", "night", "--headline", "Uno", "--html", "<p>Dos</p>", "--id", "h1")
    script = "sed -i 's/Dos/Tres/' \"$1\"\nexit 1"
    writing = terminal("edit", "night", "h1", "--editor", columns=300, EDITOR=editor(script), VISUAL="")
    assert "ended with 1" in writing.end()
    (kept,) = drafts()
    assert "the body (HTML)" in kept.read_text()
    again = shell.json("edit", "night", "h1", "--draft", str(kept), "--expect", "1")
    assert (again["body"], again["content_html"]) == ("", "<p>Tres</p>")
    assert drafts() == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["edit", "--byline", "By Ana"],
        ["withdraw", "--note", "Wrong."],
        ["delete"],
        ["correct", "--note", "Wrong."],
        ["revert"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_change_of_a_post_that_comes_too_late_shows_what_it_missed(shell, state, arguments):
    shell("edit", "night", "p1", "--headline", "Two")
    command, *options = arguments
    version = ["1"] if command == "revert" else []
    said = shell(command, "night", "p1", *version, *options, "--expect", "1", ends=65).stderr
    assert "-One\n+Two\n" in said
    assert said.rstrip().endswith("--expect 2")


@pytest.mark.parametrize("out", [["delete"], ["withdraw", "--note", "No."]], ids=lambda out: out[0])
def test_an_edit_of_a_post_that_was_taken_out_meanwhile_says_the_way_back(shell, state, terminal, editor, drafts, out):
    other = f"{sys.executable} -m stoppress {out[0]} night p1 {' '.join(out[1:])} > /dev/null < /dev/null"
    writing = terminal("edit", "night", "p1", "--editor", columns=300, EDITOR=editor(f"{other}\n{WRITE}"), VISUAL="")
    seen = plain(writing.end())
    assert writing.process.returncode == 65, seen
    assert f"post p1 is {'deleted' if out[0] == 'delete' else 'withdrawn'} meanwhile, version 2, by " in seen
    assert "-One" not in seen
    (kept,) = drafts()
    commands = [line.split()[1:] for line in seen.splitlines() if line.startswith("  stoppress ")]
    assert commands == [["restore", "night", "p1"], ["edit", "night", "p1", "--editor", "--draft", str(kept)]]
    shell(*commands[0])
    assert "version 4" in terminal(*commands[1], EDITOR="true", VISUAL="").end()


@pytest.mark.parametrize(
    ("arguments", "other"),
    [
        (["post", "night", "--editor"], "story delete night --yes"),
        (["edit", "night", "p1", "--editor"], "story delete night --yes"),
        (["edit", "night", "p1", "--editor"], "delete night p1 --purge --yes"),
    ],
)
def test_what_never_returns_is_no_way_to_go_on(shell, state, terminal, editor, drafts, arguments, other):
    script = f"{sys.executable} -m stoppress {other} > /dev/null\n{WRITE}"
    writing = terminal(*arguments, columns=300, EDITOR=editor(script), VISUAL="")
    seen = plain(writing.end())
    assert writing.process.returncode == 65, seen
    (kept,) = drafts()
    assert f"The text is kept in {kept}; --draft goes on with it in another post or story." in seen
    assert "  stoppress" not in seen
    shell("story", "create", "other", "--headline", "h")
    assert shell.json("post", "other", "--draft", str(kept))["headline"] == "My headline"


def test_a_piped_text_for_a_post_that_was_deleted_goes_on_once_it_is_back(shell, state, drafts):
    shell("delete", "night", "p1")
    said = shell("edit", "night", "p1", "--body", "-", stdin="A long text.\n", ends=65).stderr
    commands = [shlex.split(line)[1:] for line in said.splitlines() if line.startswith("  stoppress ")]
    assert [command[0] for command in commands] == ["restore", "edit"]
    for command in commands:
        shell(*command)
    assert shell.json("show", "night", "p1")["body"] == "A long text."
    assert drafts() == []


def test_a_change_of_a_post_that_was_taken_out_meanwhile_says_the_way_back(shell, state):
    shell("delete", "night", "p1")
    said = shell("correct", "night", "p1", "--note", "Wrong.", "--expect", "1", ends=65).stderr
    commands = [shlex.split(line)[1:] for line in said.splitlines() if line.startswith("  stoppress ")]
    assert commands == [["restore", "night", "p1"], ["correct", "night", "p1", "--note", "Wrong."]]
    assert (
        "To do it all the same" in shell("delete", "night", "p1", "--purge", "--yes", "--expect", "1", ends=65).stderr
    )
    for command in commands:
        shell(*command)
    assert "restore brings it" not in shell("restore", "night", "p1", "--expect", "1", ends=65).stderr
    shell("delete", "night", "p1", "--purge", "--yes")
    said = shell("correct", "night", "p1", "--note", "Wrong.", "--expect", "4", ends=65).stderr
    assert "purged: nothing brings it back" in said
    assert "  stoppress" not in said


def test_a_text_that_was_left_is_named_before_the_next_one(state, terminal, editor, drafts):
    first = terminal("post", "night", "--editor", columns=300, EDITOR=editor(WRITE + "exit 1"), VISUAL="")
    first.end()
    (kept,) = drafts()
    second = terminal("post", "night", "--editor", columns=300, EDITOR="false", VISUAL="")
    assert f"--draft goes on with it: {kept}" in second.end()
    for _ in range(4):
        terminal("post", "night", "--editor", columns=300, EDITOR=editor(WRITE + "exit 1"), VISUAL="").end()
    seen = terminal("post", "night", "--editor", columns=300, EDITOR="false", VISUAL="").end()
    said = [line for line in seen.splitlines() if line]
    assert said[0].startswith("5 earlier texts for this were not stored and may be deleted; --draft goes on with one")
    assert said[0].endswith(str(drafts()[-1]))
    assert "earlier" not in "".join(said[1:])
