"""Every error raised on purpose, and what each edge makes of it.

    StoppressError
    ├── InvalidError          the request breaks a rule              400, exit 65
    ├── NotFoundError         no such story, post or revision        404, exit 65
    ├── GoneError             deleted; its id or slug never returns  410, exit 65
    ├── ConflictError         the id or state is taken               409, exit 65
    ├── VersionError          somebody else changed it first         412, exit 65
    ├── NotAllowedError       no token (401), or not enough (403)         exit 77
    ├── BusyError             one reader too many for now            503, exit 75
    ├── TryAgainError         outcome unknown; retry with the key    503, exit 75
    └── StoreError            the store cannot be used               503, exit 69
        └── StoreRightsError  its user lacks a right                 503, exit 77

Of these only TryAgainError leaves open whether a change was stored; after any other it was not. A right that the
store's user lacks is no 403: nothing is wrong with who asks over HTTP, and no other token would help.

The HTTP edge turns one into RFC 9457 `application/problem+json`, the command line into a sentence and `exit_code`
(sysexits.h). `detail` names the field, the rule and the way out, and never carries a token or a post's text.
"""

from __future__ import annotations

from typing import Any, ClassVar


class StoppressError(Exception):
    """Base of all; `extra` holds members added to the problem document (`current_version`, `line`, …).

    `retry_after_s`: after so long it may be different; 0 = coming back does not help.
    """

    code: ClassVar[str] = "error"
    title: str = "Something went wrong"
    status: int = 500
    exit_code: int = 70
    retry_after_s: int = 0

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra

    def problem(self) -> dict[str, Any]:
        """RFC 9457 members."""
        about = f"urn:stoppress:{self.code}"
        return {"type": about, "title": self.title, "status": self.status, "detail": self.detail, **self.extra}


class InvalidError(StoppressError):
    code, title, status, exit_code = "invalid", "The request breaks a rule", 400, 65

    def __init__(self, field: str, rule: str, **extra: Any) -> None:
        super().__init__(f"{field}: {rule}" if field else rule, **({"field": field} if field else {}), **extra)
        self.field = field
        self.rule = rule


class NotFoundError(StoppressError):
    code, title, status, exit_code = "not-found", "Not found", 404, 65


class GoneError(StoppressError):
    code, title, status, exit_code = "gone", "Deleted", 410, 65


class ConflictError(StoppressError):
    code, title, status, exit_code = "conflict", "Conflicts with what is stored", 409, 65


class VersionError(StoppressError):
    code, title, status, exit_code = "version", "It was changed by somebody else", 412, 65

    def __init__(self, what: str, current_version: int) -> None:
        super().__init__(
            f"{what} is at version {current_version} now; read it, then repeat the change with that version",
            current_version=current_version,
        )
        self.current_version = current_version


class NotAllowedError(StoppressError):
    code, title, status, exit_code = "not-allowed", "Not allowed", 403, 77

    def __init__(self, detail: str, *, status: int = 403) -> None:
        super().__init__(detail)
        self.status = status


class BusyError(StoppressError):
    """This server takes no such reader just now; nothing is wrong with who asks."""

    code, title, status, exit_code = "busy", "Not now", 503, 75

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class TryAgainError(StoppressError):
    code, title, status, exit_code, retry_after_s = "try-again", "Outcome unknown", 503, 75, 1


class StoreError(StoppressError):
    code, title, status, exit_code, retry_after_s = "store", "The store cannot be used", 503, 69, 1


class StoreRightsError(StoreError):
    """`right`: what is missing, as the server's ACL grants it (`+zadd`, `~stoppress:*`, `&stoppress:*`)."""

    code, title, exit_code = "store-rights", "The store does not allow it", 77
