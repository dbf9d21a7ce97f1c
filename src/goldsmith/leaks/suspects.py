"""What the detector reports, and what it keeps beside that to be able to clear it away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from goldsmith.store import Tx

BY_HAND = "by hand"


@dataclass(frozen=True, slots=True)
class Leak:
    """A thing without an owner, an owner without its thing, or a count that is not what is counted.

    `repair` says what `goldsmith doctor --leaks --repair` does about it; it begins with `by hand` when it does
    nothing and somebody has to decide.
    """

    kind: str
    thing: str
    why: str
    repair: str

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same leak when one looks again."""
        return self.kind, self.thing


@dataclass(frozen=True, slots=True)
class Suspect:
    """A leak if it is still there at the next look. At most one of `in_rows` and `in_cloud` clears it away."""

    leak: Leak
    in_rows: Callable[[Tx], None] | None = None
    in_cloud: Callable[[], Awaitable[None]] | None = None
