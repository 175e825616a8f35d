"""What each tag of HTML is to a post: kept, renamed, a paragraph, a link, said and left out, or nothing.

Whatever tag stands in none of these lists, `html.py` says by its name what became of it.
"""

from __future__ import annotations

from .safe import BLOCKS, MARKS

HEADINGS = {"h1": "h4", "h2": "h4", "h3": "h4", "h4": "h4", "h5": "h5", "h6": "h5"}
RENAMED = {"b": "strong", "i": "em", "s": "del", "strike": "del", "var": "em", "dfn": "em", "kbd": "code"}
RENAMED |= {"bdo": "bdi", "samp": "code", "tt": "code", "menu": "ul", "dir": "ul", "listing": "pre", "xmp": "pre"}
RENAMED |= {"amp-img": "img", "amp-anim": "img"}
WRAPPERS = frozenset(
    "div section article aside header footer main nav address details summary center fieldset legend form hgroup "
    "dialog search frameset p li dt dd tr td th caption figcaption".split()  # the last where no list or table is
)
# Become a link to where they lead.
PLAYERS = frozenset("iframe video audio embed object applet frame bgsound area".split())
PLAYERS |= {f"amp-{name}" for name in "audio dailymotion iframe instagram twitter video vimeo youtube".split()}
# Show what is in them where they cannot play; the others keep that for browsers of long ago.
FLOWING = frozenset("object applet".split())
# What a page shows where there are no scripts, and so where we are.
FALLBACKS = frozenset("noscript noembed noframes".split())
# Left out, and it is said with the words in them.
OUT = frozenset("svg select textarea input keygen isindex canvas datalist title template base".split())
OUT |= {"amp-ad", "amp-analytics", "amp-auto-ads", "amp-pixel", "amp-sticky-ad"}
FIELDS = frozenset("input select textarea keygen isindex".split())
# Dropped while parsing: no text for people.
DROPPED = frozenset("script style".split())
# Carry nothing that a reader would see: what belongs to a player, to a table's columns, to machines; a break that is
# only allowed; what Office writes for an empty paragraph.
NOTHING = frozenset("source track param meta link wbr col colgroup basefont spacer nextid o:p".split())
# Only look: their text says it all.
STYLED = frozenset("abbr acronym big blink data font marquee multicol nobr output picture map".split())
STYLED |= frozenset("rb rtc small span slot time u label option optgroup".split()) | FALLBACKS
# Their text stands apart from what is beside it.
BOXES = frozenset("button label option optgroup".split()) | FALLBACKS
FORMULA = frozenset("mfrac mi mn mo mover mroot mrow ms mspace msqrt mstyle msub msubsup msup mtable mtd".split())
FORMULA |= frozenset("mtext mtr munder munderover mfenced menclose mpadded mphantom merror semantics".split())
FORMULA |= {"mmultiscripts", "mprescripts", "none"}
# What a browser would go on reading in, where an author wrote `<tag/>`.
FLOWS = BLOCKS | MARKS | HEADINGS.keys() | WRAPPERS | STYLED | {"b", "i", "s", "strike"}


def is_block(tag: str) -> bool:
    return tag in BLOCKS or tag in WRAPPERS or tag in PLAYERS or tag in HEADINGS or tag in RENAMED


def kind(tag: str) -> str:
    """What a post would call it: `b` is its `strong`, `amp-img` its `img`."""
    return RENAMED.get(tag, tag)
