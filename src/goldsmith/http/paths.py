"""Finding what a path leads to: a tree of its segments, since trying the patterns of all operations takes too long."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class _Node(Generic[T]):
    __slots__ = ("ends", "literal", "parameter")

    def __init__(self) -> None:
        self.literal: dict[str, _Node[T]] = {}
        self.parameter: _Node[T] | None = None
        self.ends: list[tuple[int, T, tuple[str, ...]]] = []


class Paths(Generic[T]):
    """Values by patterns such as `/v1/{project_id}/jobs`, in which a parameter stands for one segment."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._count = 0

    def add(self, pattern: str, value: T) -> None:
        """Another value; several may have the same pattern."""
        node, names = self._root, []
        for segment in pattern.split("/")[1:]:
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literal.setdefault(segment, _Node())
        node.ends.append((self._count, value, tuple(names)))
        self._count += 1

    def find(self, path: str) -> list[tuple[T, dict[str, str]]]:
        """Every value whose pattern fits, with the values of its parameters; those added first come first."""
        places: list[tuple[_Node[T], tuple[str, ...]]] = [(self._root, ())]
        for segment in path.split("/")[1:]:
            further = []
            for node, values in places:
                named = node.literal.get(segment)
                if named is not None:
                    further.append((named, values))
                if segment and node.parameter is not None:
                    further.append((node.parameter, (*values, segment)))
            places = further
        found = [(*end, values) for node, values in places for end in node.ends]
        if len(found) > 1:
            found.sort(key=lambda each: each[0])
        return [(value, dict(zip(names, values, strict=True))) for _, value, names, values in found]
