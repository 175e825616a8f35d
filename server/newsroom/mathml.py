"""MathML in a post's own tags: what a formula says, as far as a line of text can say it. Never its look."""

from __future__ import annotations

from .tags import FORMULA
from .tree import Node

_FENCE = (("open", "("), ("close", ")"), ("separators", ","))


def formula(node: Node) -> list[Node | str]:
    """MathML's children in a post's own tags: `msup` and `msub` raise and lower, a fraction is `a/b`."""
    tag = node.tag
    if tag not in FORMULA and tag != "math":
        return [node]
    children = [child for child in node.children if isinstance(child, Node) or not child.isspace()]
    parts: list[list[Node | str]] = [formula(child) if isinstance(child, Node) else [child] for child in children]
    if tag == "mspace":
        return [" "]
    if tag == "semantics":
        return parts[0] if parts else []  # the others say it again, in other notations
    if tag == "mfrac" and len(parts) == 2:
        return [*_grouped(parts[0]), "/", *_grouped(parts[1])]
    if tag == "mroot" and len(parts) == 2:
        return [_mark("sup", parts[1]), "√", *_grouped(parts[0])]
    if tag in ("mtable", "mtr"):
        return _joined(parts, " ") if tag == "mtr" else ["(", *_joined(parts, "; "), ")"]
    if tag == "mfenced":
        opening, closing, between = (node.attributes.get(*one) for one in _FENCE)
        return [opening, *_joined(parts, f"{between.strip()[:1]} "), closing]
    if tag == "mmultiscripts" and parts:
        return _scripted(children, parts)
    marks = {"msup": ["sup"], "mover": ["sup"], "msub": ["sub"], "munder": ["sub"]}.get(tag, ["sub", "sup"])
    if tag in ("msup", "mover", "msub", "munder", "msubsup", "munderover") and len(parts) == len(marks) + 1:
        return [*_base(parts[0]), *(_mark(mark, part) for mark, part in zip(marks, parts[1:], strict=True))]
    flat: list[Node | str] = []
    for part in parts:
        is_number = _text(flat)[-1:].isdigit() and _text(part)[:1].isdigit()  # 2 and a half, not 21/2
        flat += [" ", *part] if is_number else part
    return ["√", *_grouped(flat)] if tag == "msqrt" else flat


def _scripted(children: list[Node | str], parts: list[list[Node | str]]) -> list[Node | str]:
    """A sign with pairs of what is lowered and raised behind it, and, after `mprescripts`, before it."""
    names = [child.tag if isinstance(child, Node) else "" for child in children]
    at = names.index("mprescripts") if "mprescripts" in names else len(names)
    before: list[Node | str] = []
    behind: list[Node | str] = []
    for n, part in enumerate(parts):
        if part and n and n != at:
            is_lowered = (n - 1 if n < at else n - at - 1) % 2 == 0
            (behind if n < at else before).append(_mark("sub" if is_lowered else "sup", part))
    return [*before, *_base(parts[0]), *behind]


def _base(pieces: list[Node | str]) -> list[Node | str]:
    """What is raised to a power, as one: (1+x)², but 10²."""
    depth = 0
    ends = [depth := depth + (sign in "([{") - (sign in ")]}") for sign in _text(pieces)]
    is_bracketed = bool(ends) and ends[-1] == 0 and 0 not in ends[:-1]
    is_sign = len(pieces) == 1 and isinstance(pieces[0], str)
    return pieces if is_sign or is_bracketed else ["(", *pieces, ")"]


def _text(pieces: list[Node | str]) -> str:
    return "".join(piece if isinstance(piece, str) else piece.text() for piece in pieces)


def _mark(tag: str, children: list[Node | str]) -> Node:
    node = Node(tag, {})
    node.children = children
    return node


def _joined(parts: list[list[Node | str]], between: str) -> list[Node | str]:
    return [piece for n, part in enumerate(parts) for piece in ([between, *part] if n else part)]


def _grouped(pieces: list[Node | str]) -> list[Node | str]:
    return pieces if len(pieces) == 1 else ["(", *pieces, ")"]
