"""Two rules of CommonMark's inline parser that its own do not cover: bare addresses, and emphasis beside East Asian
signs.

The addresses are not linkify-it's, whose patterns take time in the square of a text: 64 KiB of "www." hold it for
135 s, of "https://a.b/(" for 9 s (measured, 2.2.0). These take 0.1 s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from unicodedata import category, east_asian_width

from markdown_it import MarkdownIt
from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_inline.state_inline import Scanned, StateInline
from markdown_it.token import Token

# What is behind the host may hold anything but white space, "<", and the punctuation that East Asian and quoted text
# puts behind an address.
_REST = '(?:[/?#][^\\s<>`\\\\"\u3000-\u303f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uffef“”„‘‚«»‹›…]*)?'
_HOST = r"[^\W_](?:[\w-]*[^\W_])?(?:\.[^\W_](?:[\w-]*[^\W_])?)*"
_HTTP = re.compile(rf"://(?:{_HOST}|\[[0-9a-f:.]+\])(?::[0-9]{{1,5}})?(?![@:\w]){_REST}", re.I)
_WWW = re.compile(rf"(?<![\w.@/:-])www\.(?=[\w-]+\.){_HOST}(?::[0-9]{{1,5}})?(?![@:\w]){_REST}", re.I)
_SCHEME = re.compile("(?<![a-z0-9.+-])https?(?=://)", re.I)
# "https://example.org谢谢": a label of a host does not go from ASCII to East Asian letters.
# (Both cases by hand: IGNORECASE looks at each of these 40,000 letters, 5 ms of every start.)
_TURN = re.compile("[A-Za-z0-9][\u2e80-\u9fff\uac00-\ud7af]")


def address(state: StateInline, silent: bool) -> bool:
    """The rule for `http://…` and `https://…` in the text (GFM, section 6.9); never for a bare host: "it.It"."""
    if state.linkLevel or not state.src.startswith("://", state.pos):
        return False
    scheme = re.search("(?<![a-z0-9.+-])https?$", state.src[max(0, state.pos - 6) : state.pos], re.I)
    found = scheme and _HTTP.match(state.src, state.pos)
    if not scheme or not found or not state.pending.endswith(scheme.group()):
        return False
    tail = ended(found.group())
    if not silent:
        state.pending = state.pending[: -len(scheme.group())]
        state.push("link_open", "a", 1).attrs = {"href": state.md.normalizeLink(scheme.group() + tail)}
        state.push("text", "", 0).content = scheme.group() + tail
        state.push("link_close", "a", -1)
    state.pos += len(tail)
    return True


def www(text: str) -> Iterator[tuple[int, int]]:
    """Where addresses such as `www.example.org/a` stand in it."""
    for found in _WWW.finditer(text):
        yield found.start(), found.start() + len(ended(found.group()))


def bare(text: str) -> Iterator[tuple[int, int, str]]:
    """Where addresses stand in a text that is no Markdown, and where each leads."""
    found = [(start, end, f"https://{text[start:end]}") for start, end in www(text)]
    for scheme in _SCHEME.finditer(text):
        if rest := _HTTP.match(text, scheme.end()):
            end = scheme.end() + len(ended(rest.group()))
            found.append((scheme.start(), end, text[scheme.start() : end]))
    yield from sorted(found)


def ended(address: str) -> str:
    """Without what belongs to the sentence: its punctuation, and brackets that it does not open."""
    if turn := _TURN.search(address.partition("://")[2].partition("/")[0] or address.partition("/")[0]):
        at = address.index(turn.group()) + 1
        return ended(address[:at])
    surplus = address.count(")") - address.count("(")
    end = len(address)
    while True:  # to the host's last letter, if not before
        last = address[end - 1]
        if last == ")" and surplus > 0:
            surplus -= 1
        elif last not in "?!.,:;*_~'’]}":
            break
        end -= 1
    return address[:end]


class EastAsianInline(ParserInline):
    """CommonMark's inline parser, with `_State`."""

    def parse(self, src: str, md: MarkdownIt, env: Any, tokens: list[Token]) -> list[Token]:
        state = _State(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


class _State(StateInline):
    """CommonMark's rule tells by white space and punctuation whether `**` opens or closes, and East Asian text has no
    spaces: `**你好。**世界` shows its stars. So their punctuation counts as a letter, and beside one of their signs any
    other punctuation needs no space. Nothing else changes.
    """

    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:
        if self.src.isascii():  # known without looking
            return super().scanDelims(start, canSplitWord)
        end = start
        while end < self.posMax and self.src[end] == self.src[start]:
            end += 1
        before = self.src[start - 1] if start > 0 else " "
        after = self.src[end] if end < self.posMax else " "
        if not (_is_east_asian(before) or _is_east_asian(after)):
            return super().scanDelims(start, canSplitWord)
        opens = not _is_space(after) and (not _parts(after) or not _is_letter(before))
        closes = not _is_space(before) and (not _parts(before) or not _is_letter(after))
        return Scanned(
            opens and (canSplitWord or not closes or _is_punctuation(before)),
            closes and (canSplitWord or not opens or _is_punctuation(after)),
            end - start,
        )


def _is_east_asian(sign: str) -> bool:
    return not sign.isascii() and east_asian_width(sign) in "WFH" and category(sign) != "So"


def _is_space(sign: str) -> bool:
    return bool(isWhiteSpace(ord(sign)))


def _is_punctuation(sign: str) -> bool:
    return bool(isMdAsciiPunct(ord(sign)) or isPunctChar(sign))


def _parts(sign: str) -> bool:
    """Punctuation that is not East Asian."""
    return _is_punctuation(sign) and not _is_east_asian(sign)


def _is_letter(sign: str) -> bool:
    """Neither space nor punctuation nor East Asian."""
    return not (_is_space(sign) or _is_punctuation(sign) or _is_east_asian(sign))
