"""Record: a struct whose texts all have a rule, and reading one from what somebody sent.

Shape errors come from msgspec; what needs more than a shape is in the rules of its fields' types (`fields.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, Struct

from .shape import shape_error

# Of a value at a path such as `authors[0].name`: returns it as it is kept, raises InvalidError.
Check = Callable[[str, Any], Any]
R = TypeVar("R", bound="Record")

CHECKS: dict[type[Record], dict[str, Check]] = {}  # what there is to look at, by field


class Record(Struct):
    """Its rules are found when the class is made, and text without one is a TypeError then: no program runs with it."""

    def __init_subclass__(cls, **config: Any) -> None:
        super().__init_subclass__(**config)
        hints = get_type_hints(cls, include_extras=True)
        checks = {name: _check_of(hint, f"{cls.__name__}.{name}") for name, hint in hints.items()}
        CHECKS[cls] = {name: check for name, check in checks.items() if check}


def read(kind: type[R], value: Any) -> R:
    """`value` (parsed JSON) as a `kind`, checked; raises InvalidError that names the field and the rule."""
    try:
        record = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise shape_error(kind, str(error)) from None
    return _record("", record)


def _record(path: str, record: R) -> R:
    for name, check in CHECKS[type(record)].items():
        value = getattr(record, name)
        if value is not UNSET and value is not None:
            setattr(record, name, check(f"{path}.{name}" if path else name, value))
    return record


def _check_of(hint: Any, where: str) -> Check | None:
    """How a value of that type is checked; None = its type says all. `where` is for whoever writes the record."""
    origin, parts = get_origin(hint), get_args(hint)
    if hint is str or (origin is Annotated and parts[0] is str):
        rules = [part for part in parts[1:] if callable(part)]
        if not rules:
            raise TypeError(f"{where} is text without a rule: give it a type of newsroom/fields.py")
        return _in_turn(rules)
    if origin is Annotated:
        return _check_of(parts[0], where)
    if origin is Literal:
        return None
    if origin is list:
        item = _check_of(parts[0], where)
        return _each(item) if item else None
    if parts:  # `X | UnsetType | None`
        return next((check for part in parts if (check := _check_of(part, where))), None)
    return _record if isinstance(hint, type) and issubclass(hint, Record) else None


def _in_turn(rules: list[Check]) -> Check:
    def check(path: str, value: Any) -> Any:
        for rule in rules:
            value = rule(path, value)
        return value

    return check


def _each(item: Check) -> Check:
    return lambda path, values: [item(f"{path}[{n}]", value) for n, value in enumerate(values)]
