"""Which parameters the target has: those for good, from birth, and those for the load, put back afterwards.

Pure. Everything is filtered through the family's own description: a parameter that the family lacks, that may not be
changed, or that does not take the value is left out, and the reason is kept. The load profile holds dynamic parameters
only: a static one needs a reboot to come and another to go, and the second would fall inside the fence.

synchronous_commit is not here: whoever copies turns it off on its own connections, and nothing is left to forget (T2).
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/PostgreSQL.Procedural.Importing.html
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from pgcutover.facts.rds import ClassFacts, Parameter, Value

MEBI_KB = 1024
GIBI_KB = 1024 * 1024

MAINTENANCE_KB = (64 * MEBI_KB, 256 * MEBI_KB)
"""Bounds for one index build. More is not faster: 1 GB made a parallel restore a third slower on two vCPUs than 64 MB,
and each of the parallel builders has its own."""
WAL_MB = (4096, 32768)
"""AWS's advice is the lower bound; above the upper one crash recovery takes long and the disk has better uses.
In steps of the lower bound, so that a source that grows a little does not make another plan."""
CHECKPOINT_S = 1800
MOST_BUILD_WORKERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFacts:
    """What the formulas of the load profile see."""

    instance: ClassFacts
    storage_gb: int
    jobs: int


Formula = Callable[[LoadFacts], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRule:
    name: str
    formula: Formula
    why: str
    at_least_today: bool = False
    """Leave a larger value of today alone."""


LOAD_PROFILE: tuple[LoadRule, ...] = (
    LoadRule(
        name="autovacuum",
        formula=lambda facts: 0,
        why="tables are vacuumed and analyzed once, after their load",
    ),
    LoadRule(
        name="checkpoint_timeout",
        formula=lambda facts: CHECKPOINT_S,
        why="fewer checkpoints, so fewer full page images in the WAL",
        at_least_today=True,
    ),
    LoadRule(
        name="maintenance_work_mem",
        formula=lambda facts: _within(int(facts.instance.memory_gib * GIBI_KB / 16 / facts.jobs), MAINTENANCE_KB),
        why="index builds sort in memory, within what the instance has for all of them",
    ),
    LoadRule(
        name="max_parallel_maintenance_workers",
        formula=lambda facts: max(1, min(MOST_BUILD_WORKERS, facts.instance.vcpus // facts.jobs)),
        why="one builder for each vCPU, not for each job and vCPU",
    ),
    LoadRule(
        name="max_wal_size",
        formula=lambda facts: _within(facts.storage_gb * 1024 * 5 // 100 // WAL_MB[0] * WAL_MB[0], WAL_MB),
        why="checkpoints come by time, not by volume",
        at_least_today=True,
    ),
)

SECURITY: tuple[Value, ...] = (
    ("password_encryption", "scram-sha-256"),
    # Without it RDS takes MD5 too, where the family knows the parameter at all: not seen on a real account yet.
    ("rds.accepted_password_auth_method", "scram"),
    # The default only from PostgreSQL 15 on, so it is written.
    # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/PostgreSQL.Concepts.General.SSL.html
    ("rds.force_ssl", "1"),
)

PRELOADED = ("pg_cron", "pg_hint_plan", "pg_stat_monitor", "pg_tle", "pgactive", "pgaudit", "pglogical", "plprofiler")
"""Extensions that must be in shared_preload_libraries, which is static, before CREATE EXTENSION."""
DEFAULT_PRELOAD = "pg_stat_statements"
"""What RDS preloads by itself; a list of one's own replaces it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Values that go into the group, in order of their names, and what was left out and why."""

    values: tuple[Value, ...]
    notes: tuple[str, ...]


STANDBY_DELAY_MS = 3_600_000
"""How long replay waits for a query on the replica: with the default of 30 s, a long one is cancelled ("conflict with
recovery") as soon as the primary vacuums what it reads. The replica falls behind by as much meanwhile.
https://aws.amazon.com/premiumsupport/knowledge-center/rds-postgresql-error-conflict-recovery/"""
REPLICA_SESSIONS = 20
"""Long queries at a time that share a quarter of the memory, with two sorts or hashes each."""
REPLICA_WORK_KB = (16 * MEBI_KB, 256 * MEBI_KB)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaFacts:
    """What the formulas of the replica's profile see."""

    instance: ClassFacts
    storage_gb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaRule:
    name: str
    formula: Callable[[ReplicaFacts], int | float]
    why: str


REPLICA_PROFILE: tuple[ReplicaRule, ...] = (
    ReplicaRule(
        name="hot_standby_feedback",
        formula=lambda facts: 0,
        why="a long query on the replica must not keep the primary from vacuuming",
    ),
    ReplicaRule(
        name="idle_in_transaction_session_timeout",
        formula=lambda facts: 600_000,
        why="an idle tool must not hold a snapshot, and with it the replay",
    ),
    ReplicaRule(
        name="log_min_duration_statement", formula=lambda facts: 5_000, why="long queries are named in the log"
    ),
    ReplicaRule(
        name="max_parallel_workers_per_gather",
        formula=lambda facts: min(4, facts.instance.vcpus),
        why="few long queries, so each gets more cores",
    ),
    ReplicaRule(
        name="max_standby_archive_delay",
        formula=lambda facts: STANDBY_DELAY_MS,
        why="the same while it replays from the archive, as it does when it is far behind",
    ),
    ReplicaRule(
        name="max_standby_streaming_delay",
        formula=lambda facts: STANDBY_DELAY_MS,
        why="a long query is not cancelled because the primary vacuums",
    ),
    ReplicaRule(name="random_page_cost", formula=lambda facts: 1.1, why="the disk is an SSD"),
    ReplicaRule(
        name="statement_timeout",
        formula=lambda facts: STANDBY_DELAY_MS,
        why="no longer than the delay: a runaway query would hold the replay back",
    ),
    ReplicaRule(
        name="temp_file_limit",
        formula=lambda facts: slot_cap_mb(facts.storage_gb) * MEBI_KB,
        why="one query must not fill the replica's disk",
    ),
    ReplicaRule(
        name="work_mem",
        formula=lambda facts: _within(
            int(facts.instance.memory_gib * GIBI_KB / 4 / REPLICA_SESSIONS / 2), REPLICA_WORK_KB
        ),
        why="sorts and hashes of long queries stay in memory",
    ),
)


def slot_cap_mb(storage_gb: int) -> int:
    """WAL that the primary keeps for a replica that lags: between a tenth and a fifth of the disk.

    Without a cap it fills the disk, and the primary stops; beyond it the replica goes on from the archive in S3. In
    powers of two, so that a source that grows a little does not make another plan.
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PostgreSQL.Replication.ReadReplicas.Configuration.html
    """
    return int(1 << ((storage_gb * 1024 // 5).bit_length() - 1))


def load_values(facts: LoadFacts, described: Sequence[Parameter]) -> Tuning:
    """The load profile for this instance, as far as the family or group takes it."""
    by_name = {p.name: p for p in described}
    values, notes = [], []
    for rule in sorted(LOAD_PROFILE, key=lambda r: r.name):
        parameter = by_name.get(rule.name)
        problem = _unfit(parameter) or _static(parameter)
        if parameter is None or problem:
            notes.append(f"{rule.name} is left alone: {problem}")
            continue
        wanted = _clamped(rule.formula(facts), parameter.allowed)
        today = _integer(parameter.value)
        if rule.at_least_today and today is not None and today > wanted:
            notes.append(f"{rule.name} is left alone: it is {today} already")
            continue
        values.append((rule.name, str(wanted)))
    return Tuning(values=tuple(values), notes=tuple(notes))


def replica_values(facts: ReplicaFacts, described: Sequence[Parameter]) -> Tuning:
    """What the replica's own group holds beside `production_values`: room for long queries."""
    return _accepted([(rule.name, str(rule.formula(facts))) for rule in REPLICA_PROFILE], described)


def production_values(
    extensions: Collection[str], database: str, described: Sequence[Parameter], further: Sequence[Value] = ()
) -> Tuning:
    """What a group of our own holds from birth and for good; everything else stays at the family's defaults."""
    preload = [name for name in PRELOADED if name in extensions]
    wanted: list[Value] = [*SECURITY, *further]
    if preload:
        wanted.append(("shared_preload_libraries", ",".join([DEFAULT_PRELOAD, *preload])))
    if "pg_cron" in extensions:
        wanted.append(("cron.database_name", database))
    return _accepted(wanted, described)


def _accepted(wanted: Sequence[Value], described: Sequence[Parameter]) -> Tuning:
    """Those that the family takes, by name, and why it does not take the others."""
    by_name = {p.name: p for p in described}
    values, notes = [], []
    for name, value in sorted(wanted):
        problem = _unfit(by_name.get(name)) or _refused(by_name[name], value)
        if problem:
            notes.append(f"{name} is left alone: {problem}")
        else:
            values.append((name, value))
    return Tuning(values=tuple(values), notes=tuple(notes))


def same_value(one: str, other: str) -> bool:
    """Whether two writings of a parameter's value mean the same: RDS writes 1 where PostgreSQL says on."""
    return _canonical(one) == _canonical(other)


_BOOLEANS: Mapping[str, str] = {"on": "1", "true": "1", "yes": "1", "off": "0", "false": "0", "no": "0"}


def _canonical(value: str) -> str:
    plain = value.strip().lower()
    plain = _BOOLEANS.get(plain, plain)
    try:
        return f"{float(plain):g}" if "." in plain or "e" in plain else str(int(plain))
    except ValueError:
        return re.sub(r"\s*,\s*", ",", plain)


def _within(value: int, bounds: tuple[int, int]) -> int:
    return max(bounds[0], min(bounds[1], value))


def _unfit(parameter: Parameter | None) -> str:
    if parameter is None:
        return "this family does not have it"
    return "" if parameter.modifiable else "RDS does not let it be changed"


def _static(parameter: Parameter | None) -> str:
    return "" if parameter is None or parameter.dynamic else "it needs a reboot"


_RANGE = re.compile(r"(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)-(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)", re.IGNORECASE)


def _clamped(value: int, allowed: str) -> int:
    """The nearest value of a range such as `30-86400`; other lists of values are left to RDS."""
    bounds = _RANGE.fullmatch(allowed.strip())
    return int(max(float(bounds[1]), min(float(bounds[2]), value))) if bounds else value


def _refused(parameter: Parameter, value: str) -> str:
    """Why the value is not among those allowed; '' when it is, or when nothing is said."""
    allowed = [choice.strip() for choice in parameter.allowed.split(",") if choice.strip()]
    if not allowed or _RANGE.fullmatch(parameter.allowed.strip()):
        return ""
    parts = value.split(",") if parameter.data_type == "list" else [value]
    missing = [part for part in parts if part not in allowed]
    return f"{', '.join(missing)} is not allowed, only {parameter.allowed}" if missing else ""


def _integer(value: str | None) -> int | None:
    return int(value) if value and re.fullmatch(r"-?\d+", value) else None
