"""The Plan: everything that will be decided before anything is touched, as data with a digest.

A plan holds no secret and no clock of its own: who made it and when are given. Its digest covers the decisions (apps,
variables, database, target), not sizes, wording or what follows from the machine, so that two plans of one world are
one, wherever they were made.
"""

import hashlib
import json
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from pgcutover.facts.building import SortMemory
from pgcutover.planning.likeness import PastDrill
from pgcutover.planning.moves import AppMoves, KeptAttachment
from pgcutover.planning.target import TargetPlan

PLAN_VERSION: Literal[1] = 1
Phase = Literal["prepare", "fence", "copy", "switch", "after"]


class _Value(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")


class AppPlan(_Value):
    """One application: what moves, and how it is tried."""

    moves: AppMoves
    smoke: str
    connect: str
    formation: tuple[tuple[str, int], ...]
    """(type, quantity) when the plan was made; what the fence finds is what comes back."""


class SourcePlan(_Value):
    """The old database as the plan saw it."""

    addon: str
    addon_id: str
    addon_plan: str
    billing_app: str
    attachment: str
    followers: tuple[str, ...]
    version: int
    database_bytes: int
    data_bytes: int
    index_bytes: int
    tables: int
    rows_estimate: int
    price_usd_per_month: float | None
    certificate: str
    """SHA-256 of the certificate that the old server is held to."""


class ClientPlan(_Value):
    """PostgreSQL's own programs, chosen by version (traps.md T17)."""

    dump_path: str
    dump_version: str
    restore_path: str
    restore_version: str


class PlannedStep(_Value):
    """One step as a person reads it."""

    name: str
    phase: Phase
    title: str
    by_hand: str
    calls: tuple[str, ...]
    keeps_target: bool


class Advice(_Value):
    """Something a person should know before they start; never a reason to refuse."""

    what: str
    hint: str


class Decisions(_Value):
    """What was decided; the digest covers all but what drifts by itself."""

    environment: str
    production: bool
    run_number: int
    apps: tuple[AppPlan, ...]
    kept: tuple[KeptAttachment, ...]
    source: SourcePlan
    target: TargetPlan
    clients: ClientPlan
    jobs: int
    sort_memory: SortMemory = SortMemory.AUTO


class Plan(_Value):
    """A plan as it is stored, printed, compared and run."""

    version: Literal[1] = PLAN_VERSION
    created_at: datetime
    made_by: str
    decisions: Decisions
    steps: tuple[PlannedStep, ...]
    advice: tuple[Advice, ...]
    drills: tuple[PastDrill, ...] = ()
    """What drills of other environments showed, and what they could not: of production's plans alone."""
    digest: str

    @property
    def lift(self) -> int:
        """Index of the step after which nothing goes back by itself."""
        return next(i for i, step in enumerate(self.steps) if step.name == "lift")


# Sizes and prices drift while nothing is decided anew.
_DRIFTS = {"database_bytes", "data_bytes", "index_bytes", "tables", "rows_estimate", "price_usd_per_month"}
# These follow from the machine that runs the plan (cores, paths, programs), which may be another one than planned it.
_OF_THE_MACHINE = {"jobs", "sort_memory", "clients"}
_OF_THE_MACHINE_IN_TARGET = {"load_parameters", "ca_bundle", "storage_gb"}


def _decided(decisions: Decisions) -> dict[str, object]:
    left_out: Any = {
        "source": _DRIFTS,
        "apps": {"__all__": {"formation"}},
        "target": _OF_THE_MACHINE_IN_TARGET,
        **dict.fromkeys(_OF_THE_MACHINE, True),
    }
    return decisions.model_dump(mode="json", exclude=left_out)


def digest_of(decisions: Decisions) -> str:
    """SHA-256 over the decisions, 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(_decided(decisions), sort_keys=True).encode()).hexdigest()


def held_to(decisions: Decisions, certificate: str) -> Decisions:
    """The same with another certificate of the old server, where a person accepted one after the plan; '' is none."""
    if not certificate:
        return decisions
    return decisions.model_copy(update={"source": decisions.source.model_copy(update={"certificate": certificate})})


def tuned(plan: Plan, *, jobs: int, sort_memory: SortMemory) -> Plan:
    """The same plan with what is no decision, but the best for these machines."""
    decisions = plan.decisions.model_copy(update={"jobs": jobs, "sort_memory": sort_memory})
    return plan.model_copy(update={"decisions": decisions})


def differences(old: Decisions, new: Decisions) -> tuple[str, ...]:
    """What is decided differently, one line each: path, old and new value."""
    return tuple(_differences("", _decided(old), _decided(new)))


def _differences(path: str, old: object, new: object) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(old.keys() | new.keys())
        return [line for key in keys for line in _differences(f"{path}.{key}".lstrip("."), old.get(key), new.get(key))]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [line for i, (a, b) in pairs for line in _differences(f"{path}[{i}]", a, b)]
    return [] if old == new else [f"{path}: {json.dumps(old)} -> {json.dumps(new)}"]


def confirmation_code(digest: str, person: str) -> str:
    """The code that a colleague reads out: it proves that they looked at this very plan on their own machine.

    It guards against haste, not against malice: whoever has the plan can compute it.
    """
    code = hashlib.sha256(f"pgcutover\0{digest}\0{person}".encode()).hexdigest()[:8].upper()
    return f"{code[:4]}-{code[4:]}"
