"""Settings: one frozen record, read once from an environment it is given; a bad value is named with its rule.

Every field is the variable `STOPPRESS_` + its name in capitals (`send_timeout_s` → `STOPPRESS_SEND_TIMEOUT_S`); the
port may also come as plain `PORT`, as hosting platforms give it. Units end the names: `_s` seconds, `_bytes`,
`_events`. What an option or a caller gives wins over the variable, the variable over the default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Any

from .newsroom.errors import InvalidError
from .newsroom.urls import is_loopback, split_url

PREFIX = "STOPPRESS_"
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}
_NOWHERE = Path("stoppress")  # only for a Settings() made by hand; from_env always gives one
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")


def _number(default: float, least: float, most: float, about: str) -> Any:
    return field(default=default, metadata={"about": about, "least": least, "most": most})


def _text(default: str, about: str, *, one_of: tuple[str, ...] = ()) -> Any:
    return field(default=default, metadata={"about": about, "one_of": one_of})


def _other(default: Any, about: str) -> Any:
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How this node runs. `metadata["about"]` of each field is its line in the documentation."""

    # where to listen
    host: str = _text("127.0.0.1", "address to listen on; open to the world only if you say so (0.0.0.0, ::)")
    port: int = _number(8000, 0, 65535, "port to listen on; 0 = any free one")
    workers: int = _number(1, 1, 256, "processes that serve readers on this machine")
    public_url: str = _text(
        "", "address readers use, for feeds and JSON-LD: https://news.example.org; empty = as asked"
    )
    origins: tuple[str, ...] = _other((), "origins whose pages may read and embed, comma-separated; empty = all")
    max_readers: int = _number(0, 0, 10_000_000, "readers one worker takes; 0 = as many as its file descriptors allow")

    story_readers: int = _number(0, 0, 10_000_000, "readers of one story that one worker takes; 0 = any number")
    address_readers: int = _number(
        0, 0, 10_000_000, "readers from one address (IPv6: one /64); 0 = any number, as carriers share addresses"
    )
    accepts_per_s: int = _number(10_000, 0, 10_000_000, "WebSockets one worker accepts in a second; 0 = any number")
    head_timeout_s: float = _number(10, 0.1, 600, "seconds a connection may take to say what it wants")

    # where to keep
    data_dir: Path = field(
        default=_NOWHERE,
        metadata={"about": "directory of the embedded store; default: stoppress in the XDG data home"},
    )
    redis: str = _text("", "redis:// or rediss:// address of a store of your own; empty = the embedded one")
    prefix: str = _text("stoppress", "first part of every key and channel in the store")
    store_durable: bool = _other(
        False, "the given store loses nothing when it restarts (append-only file, fsync always)"
    )
    store_grace_s: float = _number(10, 0, 3600, "seconds the embedded store outlives its last user")
    store_timeout_s: float = _number(5, 0.1, 600, "seconds a call to the store may take")
    log_events: int = _number(10_000, 100, 10_000_000, "events a story's log keeps for resuming readers")

    # what readers get
    backlog: int = _number(50, 1, 1000, "newest posts in a snapshot")
    snapshot_bytes: int = _number(512 * 1024, 4096, 64 * 1024 * 1024, "largest posts part of a snapshot, in bytes")
    ring_events: int = _number(1000, 1, 1_000_000, "events a worker keeps per story for resuming readers")
    ring_bytes: int = _number(4 * 1024 * 1024, 65536, 1 << 32, "the same in bytes, whichever is reached first")
    beat_s: float = _number(20, 1, 25, "seconds of silence before a beat; it leaves within 5 s more")
    send_timeout_s: float = _number(30, 1, 600, "seconds a reader may take none of its bytes before it is cut off")
    idle_story_s: float = _number(60, 1, 86400, "seconds a story without readers stays in memory")
    seen_readers: int = _number(1000, 1, 1_000_000, "readers that report painting; above, each does with this share")

    # stopping
    notice_s: float = _number(
        -1,
        -1,
        600,
        "seconds to go on accepting before a stop, with /readyz red; -1 = 2, or 0 on a loopback address",
    )
    drain_s: float = _number(20, 0, 600, "seconds over which readers are told to come back; fewer for few readers")
    stop_timeout_s: float = _number(5, 0.1, 600, "seconds that requests under way may still take when stopping")

    # logging
    log_format: str = _text("text", "text for people, json for machines", one_of=("text", "json"))
    log_level: str = _text("info", "least important line to log", one_of=("debug", "info", "warning", "error"))

    @property
    def notice(self) -> float:
        """`notice_s`, decided: whoever runs this at a desk and presses Ctrl-C has no load balancer to wait for."""
        if self.notice_s >= 0:
            return self.notice_s
        return 0 if is_loopback(self.host) else 2

    @property
    def stop_s(self) -> float:
        """The longest a clean stop takes."""
        return self.notice + self.drain_s + self.stop_timeout_s

    @classmethod
    def from_env(cls, environ: Mapping[str, str], **overrides: Any) -> Settings:
        """Settings from `environ`; an override that is not None wins.

        Raises InvalidError that names the variable (or, for an override, the field).
        """
        values: dict[str, Any] = {"data_dir": _data_home(environ) / "stoppress"}
        for entry in fields(cls):
            variable = PREFIX + entry.name.upper()
            given = environ.get(variable)
            if given is None and entry.name == "port":
                variable, given = "PORT", environ.get("PORT")
            if overrides.get(entry.name) is not None:
                variable, given = entry.name, overrides[entry.name]
            if given is not None and given != "":  # empty means unset: compose files and CI pass such
                values[entry.name] = _read(entry, variable, given)
        unknown = overrides.keys() - {entry.name for entry in fields(cls)}
        if unknown:
            raise TypeError(f"no such setting: {', '.join(sorted(unknown))}")
        return cls(**values)


def _data_home(environ: Mapping[str, str]) -> Path:
    # XDG Base Directory 0.8: a relative XDG_DATA_HOME is invalid and ignored.
    home = environ.get("XDG_DATA_HOME", "")
    if home.startswith("/"):
        return Path(home)
    return (Path(environ["HOME"]) if environ.get("HOME") else Path.home()) / ".local" / "share"


def _read(entry: Any, variable: str, given: Any) -> Any:
    """`given` (text of a variable, or a typed override) as the field's own type, checked."""
    about, default = entry.metadata, entry.default
    if isinstance(default, bool):
        word = str(given).strip().lower()
        if word not in _TRUE | _FALSE:
            raise InvalidError(variable, f"must be 1 or 0, not {str(given)[:40]!r}")
        return word in _TRUE
    if "least" in about:
        return _read_number(variable, given, type(default) if entry.type != "float" else float, about)
    if isinstance(default, Path):
        return Path(given).expanduser().absolute()
    if isinstance(default, tuple):
        return _read_origins(variable, given)
    text = str(given).strip()
    if about["one_of"] and text not in about["one_of"]:
        raise InvalidError(variable, f"must be one of {', '.join(about['one_of'])}, not {text[:40]!r}")
    if entry.name == "public_url" and text:
        if not re.fullmatch(_ORIGIN.pattern + r"(/[^\s?#]*)?", text) or not split_url(text):
            raise InvalidError(variable, "must be an address such as https://news.example.org")
        text = text.rstrip("/")
    if entry.name == "prefix" and not re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", text):
        # Braces would make another hash tag, *, ? and [ are patterns for PSUBSCRIBE.
        raise InvalidError(variable, "must be 1 to 64 of A-Z, a-z, 0-9, _ . : and -")
    if entry.name == "host" and not text:
        raise InvalidError(variable, "must be an address such as 127.0.0.1, or 0.0.0.0 for every one of this machine")
    return text


def _read_number(variable: str, given: Any, kind: type, about: Mapping[str, Any]) -> Any:
    try:
        value = kind(given)
    except (TypeError, ValueError):
        what = "a whole number" if kind is int else "a number"
        raise InvalidError(variable, f"must be {what}, not {str(given)[:40]!r}") from None
    if not (isfinite(value) and about["least"] <= value <= about["most"]):
        raise InvalidError(variable, f"must be from {about['least']:,} to {about['most']:,}, not {str(given)[:40]}")
    return value


def _read_origins(variable: str, given: Any) -> tuple[str, ...]:
    parts = given.split(",") if isinstance(given, str) else given
    origins = tuple(dict.fromkeys(part.strip().rstrip("/").lower() for part in parts if part.strip()))
    for origin in origins:
        if not _ORIGIN.fullmatch(origin) or not split_url(origin):
            raise InvalidError(variable, f"must list origins such as https://news.example.org, not {origin[:60]!r}")
    return origins
