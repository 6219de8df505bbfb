"""Large objects in batches: which are copied in one transaction, under which marker.

Pure. Invariant: the same objects make the same batches, so that a marker means the same to whoever resumes.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

OBJECTS = 200
"""In one transaction: more lose more work to a crash, fewer cost a commit each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Large objects that arrive together; `name` and `storage` go into the marker."""

    oids: tuple[int, ...]

    @property
    def name(self) -> str:
        return f"large objects {self.oids[0]} to {self.oids[-1]}"

    @property
    def storage(self) -> str:
        return hashlib.sha256(",".join(map(str, self.oids)).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some bytes of one object, the first piece also when it is empty; the first bears the object's comment."""

    oid: int
    offset: int
    content: bytes
    comment: str | None


def batches(oids: Sequence[int]) -> tuple[Batch, ...]:
    """`oids` in ascending order."""
    return tuple(Batch(oids=tuple(oids[at : at + OBJECTS])) for at in range(0, len(oids), OBJECTS))


def groups(oids: Iterable[int], size: int) -> Iterator[list[int]]:
    """Some at a time, in the same order."""
    group: list[int] = []
    for oid in oids:
        group.append(oid)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
