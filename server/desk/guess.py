"""Guess: the story or the post that somebody may have meant, for who mistyped a slug or an id.

It never takes the guess for what was meant.

Looked for only after nothing was found, and only among what exists: a deleted story is no guess.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..newsroom.errors import GoneError, NotFoundError
from ..store.store import Store

POSTS = 200  # the newest of a story: who changes older ones copies their ids
LIKE = 0.7  # of difflib's ratio: one slip in five letters
GUESSES = 3
SLIP_LEAST = 3  # letters: of two, one is half of all


async def no_story(store: Store, slug: str, detail: str = "") -> NotFoundError:
    """The error for a story that is not there; `detail`: its sentence, if it is another one than that."""
    detail = detail or f"there is no story {slug}"
    for name in close(slug, sorted(await store.index.slugs())):
        try:
            await store.reads.story(name)
        except (GoneError, NotFoundError):
            continue
        return _error(detail, name)
    return _error(detail)


async def no_post(store: Store, slug: str, id: str) -> NotFoundError:
    """The error for a post that is not there."""
    newest, _ = await store.reads.page(slug, "", POSTS)
    return _error(f"there is no post {id} in {slug}", *close(id, [post.id for post in newest]))


def close(text: str, names: Sequence[str]) -> list[str]:
    """The names that it may be meant for, likeliest first: one slip away, like it, or only begun."""
    from difflib import get_close_matches

    slips = [name for name in names if _is_slip(text, name)]
    begun = [name for name in names if text and name.startswith(text)]
    return list(dict.fromkeys([*slips[:GUESSES], *get_close_matches(text, names, GUESSES, LIKE), *begun[:GUESSES]]))


def _is_slip(text: str, name: str) -> bool:
    """One letter is another, missing, or too many, or two have changed places (Damerau, 1964). In names of a few
    letters that is more than the difference that `LIKE` allows."""
    short = min(len(text), len(name))
    if short < SLIP_LEAST:
        return False
    start = next((n for n in range(short) if text[n] != name[n]), short)
    here, there = text[start:], name[start:]
    swapped = here[:2] == there[:2][::-1] and here[2:] == there[2:]
    return swapped or here[1:] == there[1:] or here[1:] == there or here == there[1:]


def _error(detail: str, *guesses: str) -> NotFoundError:
    if not guesses:
        return NotFoundError(detail)
    return NotFoundError(f"{detail}; did you mean {guesses[0]}?", did_you_mean=guesses[0])
