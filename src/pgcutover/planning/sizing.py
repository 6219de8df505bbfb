"""Which instance class: the one closest to the Heroku plan, and the next tier up.

Pure: what RDS really offers is given (`orderable`), and wins over the table. Memory is matched first and never less
than the plan's; then vCPUs; then the family. Burstable classes are taken only for plans that are burstable themselves.

A class that is not in the table can still be asked for by name when its facts are handed in.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pgcutover.errors import ConfigError, RefusedError
from pgcutover.facts.rds import ClassFacts
from pgcutover.planning.instance_classes import CLASSES, PREFERENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class HerokuPlan:
    """The hardware behind a plan, as far as Heroku says."""

    name: str
    vcpus: int
    memory_gib: float
    iops: int
    burstable: bool = False
    assumed: bool = False
    """Heroku gives no memory for it; ours is a guess that the notes name."""


# https://devcenter.heroku.com/articles/heroku-postgres-production-tier-technical-characterization (2024-09-06);
# standard, premium, private and shield share a row. number: (vCPUs, GiB, IOPS)
_PRODUCTION: Mapping[int, tuple[int, float, int]] = {
    0: (2, 4, 3000),
    2: (2, 8, 3000),
    3: (2, 15.25, 3000),
    4: (4, 30.5, 3000),
    5: (8, 61, 4000),
    6: (16, 122, 6000),
    7: (32, 244, 9000),
    8: (64, 488, 12000),
    9: (96, 768, 16000),
    10: (128, 1024, 32000),
}
# Multi-tenant: Heroku quotes storage and connections only. https://devcenter.heroku.com/articles/postgres-essential-tier
_ESSENTIAL_GIB = {"essential-0": 1, "essential-1": 2, "essential-2": 4, "mini": 1, "basic": 1}
_ESSENTIAL_GIB |= {"hobby-dev": 1, "hobby-basic": 1, "dev": 1}
_PLAN = re.compile(r"(?:standard|premium|private|shield)-(?:l-|xl-|2xl-)?(\d+)")


def heroku_plan(name: str) -> HerokuPlan:
    """The hardware of a plan, named as Heroku does: `heroku-postgresql:standard-4` or `standard-4`.

    Raises:
        ConfigError: a plan whose hardware is not known, for example Advanced; the size must then be a class.
    """
    short = name.removeprefix("heroku-postgresql:")
    if short in _ESSENTIAL_GIB:
        return HerokuPlan(name=short, vcpus=2, memory_gib=_ESSENTIAL_GIB[short], iops=0, burstable=True, assumed=True)
    match = _PLAN.fullmatch(short)
    if match is None or int(match[1]) not in _PRODUCTION:
        raise ConfigError(
            f"the hardware of the Heroku plan {name} is not known",
            hint='Choose the class yourself: set size = "db.r7g.large", for example, under [target].',
        )
    number = int(match[1])
    vcpus, memory_gib, iops = _PRODUCTION[number]
    return HerokuPlan(name=short, vcpus=vcpus, memory_gib=memory_gib, iops=iops, burstable=number == 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeChoice:
    """The class chosen, the two that the rule offers (None when an explicit choice made them moot), and why."""

    chosen: ClassFacts
    closest: ClassFacts | None
    next_tier: ClassFacts | None
    notes: tuple[str, ...]


def choose_size(
    choice: str,
    plan_name: str,
    *,
    orderable: Collection[str] | None = None,
    known: Sequence[ClassFacts] = (),
) -> SizeChoice:
    """The class for a choice (`closest`, `next` or `db.…`) and a Heroku plan.

    `orderable` are the classes that RDS offers for this version in this Region; None when nobody asked it. `known`
    holds facts of classes that are not in the table.

    Raises:
        ConfigError: neither a known choice nor a class; a plan of unknown hardware.
        RefusedError: RDS does not offer the class, or none that is large enough.
    """
    if choice.startswith("db."):
        return SizeChoice(chosen=_explicit(choice, orderable, known), closest=None, next_tier=None, notes=())
    if choice not in ("closest", "next"):
        raise ConfigError(f"target.size is {choice!r}", hint="Write closest, next, or a class such as db.r7g.large.")
    plan = heroku_plan(plan_name)
    closest = _closest(plan, orderable)
    above = _next_tier(closest, orderable)
    chosen = closest if choice == "closest" else above
    if chosen is None:
        raise RefusedError(
            f"RDS offers no class above {closest.name} here", hint='Set size = "closest" under [target].'
        )
    return SizeChoice(chosen=chosen, closest=closest, next_tier=above, notes=_notes(plan, chosen))


def candidates(choice: str, plan_name: str) -> tuple[str, ...]:
    """The classes worth asking RDS about, best first: it must be asked class by class.

    An engine's whole list runs to tens of thousands of rows.
    """
    if choice.startswith("db."):
        return (choice,)
    plan = heroku_plan(plan_name)
    fitting = [c.name for c in sorted(CLASSES.values(), key=lambda c: _distance(c, plan)) if _fits(c, plan)]
    closest = fitting[:MOST_ASKED]
    above = [n.name for n in (_next_tier(CLASSES[name], None) for name in closest) if n]
    return tuple(dict.fromkeys([*closest, *above]))


MOST_ASKED = 8
"""Below it a Region without the newest families might find nothing; above it planning takes needless seconds."""


def class_facts(name: str, known: Sequence[ClassFacts] = ()) -> ClassFacts:
    """The hardware of a class by name.

    Raises:
        RefusedError: it is neither in the table nor among those known.
    """
    facts = next((c for c in known if c.name == name), None) or CLASSES.get(name)
    if facts is None:
        raise RefusedError(f"the hardware of {name} is not known", hint="Check the spelling of [target] size.")
    return facts


def _explicit(name: str, orderable: Collection[str] | None, known: Sequence[ClassFacts]) -> ClassFacts:
    if orderable is not None and name not in orderable:
        raise RefusedError(
            f"RDS does not offer {name} for this PostgreSQL version in this Region",
            hint="Choose another class under [target] size, or closest or next.",
        )
    return class_facts(name, known)


def _closest(plan: HerokuPlan, orderable: Collection[str] | None) -> ClassFacts:
    fitting = [c for c in _offered(orderable) if _fits(c, plan)]
    if not fitting:
        raise RefusedError(
            f"RDS offers no class with the {plan.memory_gib:g} GiB of Heroku's {plan.name} here",
            hint="Choose a class yourself under [target] size, or another Region.",
        )
    return min(fitting, key=lambda c: _distance(c, plan))


def _next_tier(below: ClassFacts, orderable: Collection[str] | None) -> ClassFacts | None:
    """The next size in the family; where it ends, the next larger class of any family that does not burst."""
    larger = [c for c in _offered(orderable) if c.memory_gib > below.memory_gib]
    family = [c for c in larger if c.family == below.family]
    steady = [c for c in larger if not c.burstable and c.vcpus >= below.vcpus]
    pool = family or steady
    return min(pool, key=lambda c: (c.memory_gib, c.vcpus, PREFERENCE[c.name])) if pool else None


def _offered(orderable: Collection[str] | None) -> list[ClassFacts]:
    return [c for c in CLASSES.values() if orderable is None or c.name in orderable]


def _fits(candidate: ClassFacts, plan: HerokuPlan) -> bool:
    return candidate.memory_gib >= plan.memory_gib and (plan.burstable or not candidate.burstable)


def _distance(candidate: ClassFacts, plan: HerokuPlan) -> tuple[float, bool, int, int]:
    """Memory first, then vCPUs (fewer than the plan's only when nothing else has so little memory), then preference."""
    return (
        candidate.memory_gib - plan.memory_gib,
        candidate.vcpus < plan.vcpus,
        abs(candidate.vcpus - plan.vcpus),
        PREFERENCE[candidate.name],
    )


def _notes(plan: HerokuPlan, chosen: ClassFacts) -> tuple[str, ...]:
    notes = []
    if plan.assumed:
        notes.append(f"Heroku gives no memory for {plan.name}; {plan.memory_gib:g} GiB is assumed")
    if chosen.disk_iops < plan.iops:
        notes.append(
            f"{chosen.name} sustains {chosen.disk_iops} IOPS, the Heroku plan {plan.iops}; above that it bursts"
        )
    if chosen.burstable:
        notes.append(f"{chosen.name} earns CPU credits; a long load spends them and RDS bills the rest")
    return tuple(notes)
