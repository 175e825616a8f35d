"""What is wrong with the shape of something given, in words for people who know neither Python nor the library."""

from __future__ import annotations

import re
from typing import Any, Literal, get_args, get_origin, get_type_hints

from msgspec import Struct

from .errors import InvalidError

_AT = re.compile(r" - at `(?:key in )?\$?\.?([^`]*)`$")
_EXPECTED = re.compile(
    r"Expected `([a-z |]+)`"
    r"(?:, got `([a-z]+)`| of length <= ([0-9]+)| (>=|<=) (-?[0-9]+)|( matching .*))?",
    re.S,
)
_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number with a fraction or beyond 64 bits",  # orjson reads both as a float
    "bool": "true or false",
    "array": "a list",
    "object": "a JSON object",
}


def shape_error(kind: type[Struct], text: str) -> InvalidError:
    """`text`: msgspec's ValidationError for a value that is no `kind`."""
    where = _AT.search(text)
    field, rule = (where.group(1), text[: where.start()]) if where else ("", text)
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", rule, re.S)
    if unknown:
        name = unknown.group(1)[:80]
        return InvalidError(f"{field}.{name}" if field else name, "is not a field here; check its spelling")
    missing = re.fullmatch(r"Object missing required field `(.*)`", rule)
    if missing:
        return InvalidError(f"{field}.{missing.group(1)}" if field else missing.group(1), "is missing and required")
    return InvalidError(field or "request", _rule(kind, field, rule))


def _rule(kind: type[Struct], field: str, rule: str) -> str:
    chosen = re.fullmatch(r"Invalid enum value (.*)", rule, re.S)
    if chosen:
        allowed = _choices(kind, field)
        said = " or ".join(allowed) if len(allowed) < 3 else "one of " + ", ".join(allowed)
        return f"{chosen.group(1)[:40]} is not allowed here; must be {said}"
    expected = _EXPECTED.fullmatch(rule)
    if not expected:
        return rule[0].lower() + rule[1:].replace("`", "")
    types, got, length, side, bound, pattern = expected.groups()
    must = "must be " + " or ".join(_WORDS.get(name, name) for name in types.split(" | "))
    if got:
        return f"{must}, not {_WORDS.get(got, got)}"
    if length:
        return f"{must} of at most {int(length):,} {'characters' if types.startswith('str') else 'entries'}"
    if bound:
        return f"{must}, {'at least' if side == '>=' else 'at most'} {int(bound):,}"
    return "must be a language tag such as en or pt-BR" if pattern and field.endswith("language") else must


def _choices(kind: type[Struct], field: str) -> list[str]:
    """The values allowed at a path such as `corrections[0].kind`."""
    within: list[Any] = [kind]
    for part in field.split("."):
        holder = next(one for one in within if isinstance(one, type) and issubclass(one, Struct))
        within = _leaves(get_type_hints(holder)[part.partition("[")[0]])
    return [one for one in within if isinstance(one, str)]


def _leaves(hint: Any) -> list[Any]:
    """The types and literal values that a hint is made of."""
    if get_origin(hint) is Literal or not get_args(hint):
        return list(get_args(hint)) or [hint]
    return [leaf for part in get_args(hint) for leaf in _leaves(part)]
