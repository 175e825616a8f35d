"""Text: headline and body of a post, from wherever a command line says they come, and kept until they are stored.

It never sends one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from ..newsroom.errors import GoneError, InvalidError, StoreError, TryAgainError, VersionError
from ..newsroom.fields import is_blank
from .asking import TEXT_BYTES, GivenUp, Unfinished, edit, someone, standard_input
from .command import again, notes
from .draft import Draft, as_draft
from .fields import check_text
from .output import notice
from .session import Run

WAYS = {"body": "--body", "body_file": "--body-file", "html": "--html", "html_file": "--html-file"}
WAYS |= {"editor": "--editor", "draft": "--draft"}


def check_ways(parameters: dict[str, Any]) -> None:
    """UsageError when the text is to come from two places."""
    given = [name for way, name in WAYS.items() if parameters[way] not in (None, False)]
    if len(given) > 1 and given != ["--editor", "--draft"]:
        raise click.UsageError(f"a post has one body, in Markdown or in HTML: {' and '.join(given)} are two")
    if given == ["--draft"] and parameters["headline"] is not None:
        raise click.UsageError("--draft has the headline in its first line; leave --headline out")


def is_to_be_written(parameters: dict[str, Any]) -> bool:
    """Will somebody sit down to write? Then all that can be refused already is refused before they do."""
    return bool(parameters["editor"]) or (_is_input(parameters) and someone())


@contextmanager
def text(
    run: Run, parameters: dict[str, Any], about: str, was: dict[str, Any], expect: int | None = None
) -> Iterator[dict[str, Any]]:
    """The fields that were written, to be stored within: when that fails, a file has the text.

    `about`: what the text is for, as in `Draft.new`. `was`: what an editor starts with. `expect`: the version that
    was, for the command that goes on.
    """
    is_html = parameters["html"] is not None or parameters["html_file"] is not None
    name = "content_html" if is_html else "body"
    said, file = (parameters[way] for way in (("html", "html_file") if is_html else ("body", "body_file")))
    if parameters["editor"] or parameters["draft"]:
        draft, start = _draft(parameters, about, was)
        with _kept(run, draft, start, expect, whole=True):
            if parameters["editor"]:
                edit(str(draft.path))
            headline, body = draft.headline_and_body()
            if not headline:
                raise GivenUp("nothing was written, and nothing was changed")
            if start is not None and draft.read() == start:
                raise GivenUp(
                    "the text is as it was, and nothing was changed "
                    "(an editor that returns at once needs its option to wait, such as `code --wait`)"
                )
            field = "content_html" if draft.is_html else "body"
            check_text(field, body)
            yield {"headline": headline, field: body}
    elif _is_input(parameters):
        draft = _input(run, about, expect, is_html)
        with _kept(run, draft, None, expect, whole=False):
            yield {name: _body(name, draft.read(), "standard input")}
    elif file is not None:
        draft = Draft(file)
        yield {name: _body(name, draft.read(TEXT_BYTES), file)}
        draft.stored()
    else:
        check_text(name, said or "")
        yield {} if said is None else {name: said}


def _is_input(parameters: dict[str, Any]) -> bool:
    return "-" in (parameters[way] for way in ("body", "body_file", "html", "html_file"))


def _draft(parameters: dict[str, Any], about: str, was: dict[str, Any]) -> tuple[Draft, bytes | None]:
    """The file to write in, and what a new one starts with."""
    if parameters["draft"]:
        return Draft(parameters["draft"]), None
    if left := Draft.left(about):
        one = len(left) == 1
        what = "An earlier text for this was" if one else f"{len(left)} earlier texts for this were"
        goes_on = "--draft goes on with it" if one else "--draft goes on with one, such as the last"
        notice(f"{what} not stored and may be deleted; {goes_on}: {left[0].path}")
    is_html = bool(was.get("content_html")) and not was.get("body")
    start = as_draft(was.get("headline", ""), was.get("content_html" if is_html else "body", ""), is_html=is_html)
    return Draft.new(about, start, is_html=is_html), start


def _input(run: Run, about: str, expect: int | None, is_html: bool) -> Draft:
    try:
        return Draft.new(about, standard_input("the HTML" if is_html else "the body"), is_html=is_html)
    except Unfinished as stop:
        if stop.text.strip():
            left = Draft.new(about, stop.text, is_html=is_html)
            stop.add_note(_going_on(run, left, stop, expect, whole=False))
        raise


def _body(name: str, raw: bytes, where: str) -> str:
    try:
        body = raw.decode("utf-8-sig").replace("\r\n", "\n").rstrip("\n")
    except UnicodeDecodeError as error:
        raise InvalidError(name, f"is not UTF-8: byte {error.start} of it is 0x{raw[error.start]:02X}") from None
    if is_blank(body):
        option = "--html" if name == "content_html" else "--body"
        raise InvalidError(name, f'is empty: {where} has no text ({option} "" for a post without one)')
    check_text(name, body)
    return body


@contextmanager
def _kept(run: Run, draft: Draft, start: bytes | None, expect: int | None, *, whole: bool) -> Iterator[None]:
    """Whatever ends this before its end leaves the text in its file, and says how to go on."""
    run.keeps_text = True
    try:
        yield
    except BaseException as error:
        if _is_worth(draft, start):
            if isinstance(error, VersionError) and whole:
                draft.add_below("\n".join(notes(error)))
            error.add_note(_going_on(run, draft, error, expect, whole=whole))
        elif draft.is_ours:
            draft.stored()
        raise
    draft.stored()


def _is_worth(draft: Draft, start: bytes | None) -> bool:
    held = draft.read()
    return held != start and bool(held.strip())


def _going_on(run: Run, draft: Draft, error: BaseException, expect: int | None, *, whole: bool) -> str:
    """`whole`: the draft has the headline too."""
    option = "--draft" if whole else "--html-file" if draft.is_html else "--body-file"
    if isinstance(error, GoneError) and not run.is_out:  # neither a slug nor an id returns
        return f"The text is kept in {draft.path}; {option} goes on with it in another post or story."
    more = [option, str(draft.path)]
    if isinstance(error, VersionError):
        expect = error.current_version
    if isinstance(error, TryAgainError | StoreError):
        more += ["--retry", run.key]
    elif whole:
        more.insert(0, "--editor")
    if run.is_out:
        expect = None  # whatever brings the post back makes another version
    if expect is not None:
        more += ["--expect", str(expect)]
    without = [*WAYS, "retry", "expect", *(["headline"] if whole else [])]
    then = "then this" if run.is_out else "this"
    return f"The text is kept in {draft.path}; {then} goes on with it:\n  {again(without, *more)}"
