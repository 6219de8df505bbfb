"""Which instance class and how much storage: the class closest to the Heroku plan, and the next tier up.

Pure: what RDS really offers is given (`orderable`), and wins over the table. Memory is matched first and never less than
the plan's; then vCPUs; then the family. Burstable classes are taken only for plans that are burstable themselves.

The table was generated from ec2:DescribeInstanceTypes as bundled in moto 5.2.5 (2026-10); RDS publishes no limits of its
own. A class that is not in it can still be asked for by name when its facts are handed in.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.html
"""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pgcutover.errors import ConfigError, RefusedError
from pgcutover.facts.rds import ClassFacts

GIB = 2**30

# size: (vCPUs, sustained MB/s of disk, sustained IOPS)
_Row = tuple[int, float, int]
_GRAVITON_7: Mapping[str, _Row] = {
    "large": (2, 78.75, 3600),
    "xlarge": (4, 156.25, 6000),
    "2xlarge": (8, 312.5, 12000),
    "4xlarge": (16, 625, 20000),
    "8xlarge": (32, 1250, 40000),
    "12xlarge": (48, 1875, 60000),
    "16xlarge": (64, 2500, 80000),
}
_GRAVITON_8: Mapping[str, _Row] = {**_GRAVITON_7, "24xlarge": (96, 3750, 120000), "48xlarge": (192, 5000, 240000)}
_GRAVITON_6: Mapping[str, _Row] = {
    "large": (2, 78.75, 3600),
    "xlarge": (4, 148.5, 6000),
    "2xlarge": (8, 296.875, 12000),
    "4xlarge": (16, 593.75, 20000),
    "8xlarge": (32, 1187.5, 40000),
    "12xlarge": (48, 1781.25, 50000),
    "16xlarge": (64, 2375, 80000),
}
_INTEL_6: Mapping[str, _Row] = {
    **_GRAVITON_7,
    "large": (2, 81.25, 3600),
    "24xlarge": (96, 3750, 120000),
    "32xlarge": (128, 5000, 160000),
}
_INTEL_7: Mapping[str, _Row] = {
    **_GRAVITON_7,
    "large": (2, 81.25, 3600),
    "24xlarge": (96, 3750, 120000),
    "48xlarge": (192, 5000, 240000),
}
_INTEL_5: Mapping[str, _Row] = {
    "large": (2, 81.25, 3600),
    "xlarge": (4, 143.75, 6000),
    "2xlarge": (8, 287.5, 12000),
    "4xlarge": (16, 593.75, 18750),
    "8xlarge": (32, 850, 30000),
    "12xlarge": (48, 1187.5, 40000),
    "16xlarge": (64, 1700, 60000),
    "24xlarge": (96, 2375, 80000),
}
_BURSTABLE: Mapping[str, tuple[int, float, float, int]] = {
    "micro": (2, 1, 10.875, 500),
    "small": (2, 2, 21.75, 1000),
    "medium": (2, 4, 43.375, 2000),
    "large": (2, 8, 86.875, 4000),
    "xlarge": (4, 16, 86.875, 4000),
    "2xlarge": (8, 32, 86.875, 4000),
}
_GENERATIONS: Mapping[str, Mapping[str, _Row]] = {
    "7g": _GRAVITON_7,
    "8g": _GRAVITON_8,
    "6g": _GRAVITON_6,
    "7i": _INTEL_7,
    "6i": _INTEL_6,
    "5": _INTEL_5,
}
"""In order of preference: Graviton is 6 to 10 % cheaper for the same limits, and 7g is offered in more Regions than 8g."""
_GIB_PER_VCPU = {"m": 4, "r": 8}


def _table() -> Mapping[str, ClassFacts]:
    rows = [
        ClassFacts(name=f"db.{family}.{size}", vcpus=vcpus, memory_gib=gib, disk_mb_per_s=mb, disk_iops=iops)
        for family in ("t4g", "t3")
        for size, (vcpus, gib, mb, iops) in _BURSTABLE.items()
    ]
    for generation, sizes in _GENERATIONS.items():
        for line, per_vcpu in _GIB_PER_VCPU.items():
            rows += [
                ClassFacts(
                    name=f"db.{line}{generation}.{size}",
                    vcpus=vcpus,
                    memory_gib=vcpus * per_vcpu,
                    disk_mb_per_s=mb,
                    disk_iops=iops,
                )
                for size, (vcpus, mb, iops) in sizes.items()
            ]
    return MappingProxyType({row.name: row for row in rows})


CLASSES = _table()
_PREFERENCE = {name: place for place, name in enumerate(CLASSES)}


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
    known: Mapping[str, ClassFacts] = MappingProxyType({}),
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


def _explicit(name: str, orderable: Collection[str] | None, known: Mapping[str, ClassFacts]) -> ClassFacts:
    if orderable is not None and name not in orderable:
        raise RefusedError(
            f"RDS does not offer {name} for this PostgreSQL version in this Region",
            hint="Choose another class under [target] size, or closest or next.",
        )
    facts = known.get(name) or CLASSES.get(name)
    if facts is None:
        raise RefusedError(f"the hardware of {name} is not known", hint="Check the spelling of [target] size.")
    return facts


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
    return min(pool, key=lambda c: (c.memory_gib, c.vcpus, _PREFERENCE[c.name])) if pool else None


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
        _PREFERENCE[candidate.name],
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


# --- storage ---------------------------------------------------------------------------------------------------------

MIN_STORAGE_GB = 20
MAX_STORAGE_GB = 65536
FAST_STORAGE_GB = 400
"""From here gp3 has 12,000 IOPS and 500 MiB/s instead of 3,000 and 125, at the same price per GiB.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage"""
ROUND_UP_FROM_GB = 250
"""Above it the step to the fast line costs at most 150 GiB more; storage can never shrink, so smaller is left small."""
GROWTH = 1.4
TIGHT = 1.1
"""What the copy itself needs over the source's tables and indexes; below it the load ends in storage-full."""
WAL_HEADROOM_GB = (4, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageChoice:
    storage_gb: int
    notes: tuple[str, ...]


def choose_storage(*, data_bytes: int, index_bytes: int, asked_gb: int | None = None) -> StorageChoice:
    """Storage for a source of this size; `asked_gb` is a person's own choice.

    Raises:
        RefusedError: the person's choice cannot hold the copy, or nothing on RDS can.
    """
    if asked_gb is not None:
        refuse_small_disk(asked_gb, data_bytes=data_bytes, index_bytes=index_bytes, whose="target.storage_gb")
        return StorageChoice(storage_gb=asked_gb, notes=(f"{asked_gb} GiB as configured",))
    needed = needed_gb(data_bytes=data_bytes, index_bytes=index_bytes)
    if needed > MAX_STORAGE_GB:
        raise RefusedError(
            f"{needed} GiB are needed and an RDS instance holds {MAX_STORAGE_GB}", hint="Aurora holds more."
        )
    if ROUND_UP_FROM_GB <= needed < FAST_STORAGE_GB:
        note = f"{needed} GiB are needed; {FAST_STORAGE_GB} GiB of gp3 have four times the IOPS and throughput"
        return StorageChoice(storage_gb=FAST_STORAGE_GB, notes=(note,))
    notes = [f"{GROWTH} x tables and indexes and room for WAL make {needed} GiB"]
    if needed < FAST_STORAGE_GB:
        notes.append(f"gp3 below {FAST_STORAGE_GB} GiB has 3,000 IOPS and 125 MiB/s; storage can grow, never shrink")
    return StorageChoice(storage_gb=needed, notes=tuple(notes))


def needed_gb(*, data_bytes: int, index_bytes: int, factor: float = GROWTH) -> int:
    """GiB for tables, indexes and WAL, within RDS's minimum."""
    held = math.ceil((data_bytes + index_bytes) * factor / GIB)
    low, high = WAL_HEADROOM_GB
    return max(MIN_STORAGE_GB, held + min(high, max(low, math.ceil(held * 0.05))))


def refuse_small_disk(storage_gb: int, *, data_bytes: int, index_bytes: int, whose: str) -> None:
    """Raises:
    RefusedError: a disk of this size cannot hold the copy.
    """
    floor = needed_gb(data_bytes=data_bytes, index_bytes=index_bytes, factor=TIGHT)
    if storage_gb < floor:
        advised = needed_gb(data_bytes=data_bytes, index_bytes=index_bytes)
        raise RefusedError(
            f"{whose} is too small: {storage_gb} GiB, and the copy needs at least {floor} GiB",
            hint=f"Give it {advised} GiB or more; RDS storage can grow at any time, but never shrink.",
        )
