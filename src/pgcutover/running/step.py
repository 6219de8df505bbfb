"""What a step is: one reversible change to the world.

A step is a value (its parameters) with behaviour. It holds no state: what it must know of the world as it was before
is what `observe` returned, which the runner writes to the journal before the first touch and hands back ever after.
Nothing secret may be in it: secrets go to the vault and are named here by key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias, TypeVar

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
Before: TypeAlias = Mapping[str, Json]

W_contra = TypeVar("W_contra", contravariant=True)


class Verdict(StrEnum):
    """What `verify` FOUND outside, never what we remember doing."""

    ABSENT = "absent"
    PARTIAL = "partial"
    WHOLE = "whole"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A verdict, a phrase for people, and the evidence that goes to the journal and the report (no secrets)."""

    verdict: Verdict
    unchanged: bool = False
    """The wanted state is also the state before, so that WHOLE and ABSENT are one; only unwinding asks."""
    detail: str = ""
    evidence: Mapping[str, Json] = field(default_factory=dict)


class Step(Protocol[W_contra]):
    """One reversible change. `do` and `undo` are idempotent: each may be called again after a crash."""

    @property
    def name(self) -> str:
        """Unique in the plan; the key in the journal."""
        ...

    @property
    def keeps_target(self) -> bool:
        """True when the step made (part of) the target: only `destroy --target` unwinds it."""
        ...

    def observe(self, world: W_contra) -> Before:
        """Read what `undo` needs. Called once, before the first `do`; touches nothing."""
        ...

    def do(self, world: W_contra, before: Before) -> None: ...

    def verify(self, world: W_contra, before: Before) -> Finding: ...

    def undo(self, world: W_contra, before: Before) -> None:
        """Leave the world as it was before `do`; afterwards `verify` must find ABSENT."""
        ...
