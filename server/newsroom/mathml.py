"""MathML in a post's own tags: what a formula says, as far as a line of text can say it. Never its look."""

from __future__ import annotations

from .tags import FORMULA
from .tree import Node


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
    if tag in ("mtable", "mtr", "mfenced"):
        row = _joined(parts, {"mtable": "; ", "mtr": " "}.get(tag, ", "))
        return row if tag == "mtr" else ["(", *row, ")"]
    marks = {"msup": ["sup"], "mover": ["sup"], "msub": ["sub"], "munder": ["sub"]}.get(tag, ["sub", "sup"])
    if tag in ("msup", "mover", "msub", "munder", "msubsup", "munderover") and len(parts) == len(marks) + 1:
        return [*parts[0], *(_mark(mark, part) for mark, part in zip(marks, parts[1:], strict=True))]
    flat = [piece for part in parts for piece in part]
    return ["√", *_grouped(flat)] if tag == "msqrt" else flat


def _mark(tag: str, children: list[Node | str]) -> Node:
    node = Node(tag, {})
    node.children = children
    return node


def _joined(parts: list[list[Node | str]], between: str) -> list[Node | str]:
    return [piece for n, part in enumerate(parts) for piece in ([between, *part] if n else part)]


def _grouped(pieces: list[Node | str]) -> list[Node | str]:
    return pieces if len(pieces) == 1 else ["(", *pieces, ")"]
