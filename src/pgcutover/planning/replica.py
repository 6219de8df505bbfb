"""Whether the new database gets a read replica, when it is made, and what its own parameter group holds.

Pure. Invariant: what is chosen is told with its cost. A replica can be made before the load, and then streams while the
data comes; or after the lift, and then the followers' variables name the primary until it is there.
"""

from dataclasses import dataclass
from typing import Literal

from pgcutover.errors import ConfigError, RefusedError
from pgcutover.facts.rds import Instance, is_ours
from pgcutover.planning.names import Names
from pgcutover.planning.sizing import class_facts
from pgcutover.planning.target import ReplicaPlan, SourceFacts, TargetFacts, TargetPlan, TargetWishes
from pgcutover.planning.tuning import ReplicaFacts, production_values, replica_values, slot_cap_mb

When = Literal["before-load", "after-lift"]

BEFORE_LOAD_BYTES = 20 * 10**9
"""Up to here a replica is made before the load. A load writes about as much WAL as tables and indexes have bytes, which
the primary then also reads again, archives and ships: 20 GB more on a gp3 disk of 125 MiB/s are under three minutes of
outage, and the followers' apps need no second release. Above it the outage would grow with every byte.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaChoice:
    """The replica, or None, and why, in sentences."""

    plan: ReplicaPlan | None
    notes: tuple[str, ...]


def choose_replica(
    wishes: TargetWishes, source: SourceFacts, facts: TargetFacts, target: TargetPlan, names: Names
) -> ReplicaChoice:
    """The replica of a target that is decided but for it.

    Raises:
        ConfigError: `replica_size` is no class.
        RefusedError: RDS cannot make it of this instance, or its name is somebody else's.
    """
    made, why = _when(wishes, source, facts)
    if made is None:
        return ReplicaChoice(plan=None, notes=why)
    if target.existing:
        _refuse_primary(facts.instance)
    if facts.replica is not None and not is_ours(dict(facts.replica.tags), dict(target.tags)):
        raise RefusedError(
            f"an RDS instance named {facts.replica.identifier} exists and pgcutover did not make it",
            hint='Rename or remove it, or set replica = "none" under [target].',
        )
    instance_class = facts.replica.instance_class if facts.replica else _class(wishes, facts, target)
    described = facts.family_parameters or facts.parameters
    sizes = ReplicaFacts(instance=class_facts(instance_class, facts.known_classes), storage_gb=target.storage_gb)
    lasting = production_values([name for name, _ in target.extensions], target.database, described)
    tuned = replica_values(sizes, described)
    plan = ReplicaPlan(
        identifier=names.replica,
        instance_class=instance_class,
        parameter_group=names.replica_group(f"postgres{target.major}"),
        parameters=tuple(sorted((*lasting.values, *tuned.values))),
        made=made,
    )
    cost = _cost(plan, target)
    return ReplicaChoice(plan=plan, notes=(*why, cost, *(f"replica: {note}" for note in tuned.notes)))


def _when(wishes: TargetWishes, source: SourceFacts, facts: TargetFacts) -> tuple[When | None, tuple[str, ...]]:
    """When it is made, or never, and why."""
    followers = ", ".join(source.followers)
    if wishes.replica in ("before-load", "after-lift"):
        return wishes.replica, (f"a read replica is made, {_WORDS[wishes.replica]}, as configured",)
    if not source.followers:
        return None, ()
    if wishes.replica == "none" or wishes.existing:
        why = "as configured" if wishes.replica == "none" else "for nobody asked for one of this instance"
        return None, (
            f"no read replica is made, {why}: what reads {followers} today will read the primary, long queries too",
        )
    if facts.replica is not None:
        return "before-load", (f"read replica {facts.replica.identifier}, which stands already, is used again",)
    size_bytes = source.data_bytes + source.index_bytes
    made: When = "before-load" if size_bytes < BEFORE_LOAD_BYTES else "after-lift"
    relation = "below" if made == "before-load" else "not below"
    return made, (
        f"a read replica takes the place of {followers}, made {_WORDS[made]}: {size_bytes / 1e9:.1f} GB are {relation} "
        f"the {BEFORE_LOAD_BYTES / 1e9:.0f} GB up to which streaming the load costs little",
    )


_WORDS: dict[When, str] = {"before-load": "before the load", "after-lift": "after the lift"}


def _cost(plan: ReplicaPlan, target: TargetPlan) -> str:
    if plan.made == "after-lift":
        return (
            f"cost of making {plan.identifier} after the lift: until it is there, what reads the followers today reads "
            f"the primary; then one more release of those apps points them at {plan.identifier}"
        )
    kept = (
        f"the primary keeps up to {slot_cap_mb(target.storage_gb)} MB of WAL for it"
        if not target.existing
        else "nothing caps the WAL that the primary keeps for it: set max_slot_wal_keep_size in its parameter group"
    )
    return (
        f"cost of making {plan.identifier} before the load: backups are on while the data is loaded, and its WAL is "
        f"archived and shipped, so the load is slower; {kept}"
    )


def _class(wishes: TargetWishes, facts: TargetFacts, target: TargetPlan) -> str:
    """AWS advises the primary's own class: a smaller one falls behind.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ReadRepl.html
    """
    size = wishes.replica_size
    if size == "same":
        return target.instance_class
    if not size.startswith("db."):
        raise ConfigError(f"target.replica_size is {size!r}", hint="Write same, or a class such as db.r7g.large.")
    if facts.orderable and size not in facts.orderable:
        raise RefusedError(
            f"RDS does not offer {size} for this PostgreSQL version in this Region",
            hint="Choose another class under [target] replica_size, or same.",
        )
    return size


def _refuse_primary(found: Instance | None) -> None:
    """An instance that somebody else made is not changed to make a replica possible.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ReadRepl.Create.html
    """
    assert found is not None, "an existing target was found"
    if not found.retention_days:
        raise RefusedError(
            f"instance {found.identifier} keeps no backups, and RDS makes no read replica of such a one",
            hint='Set its backup retention to a day or more, or set replica = "none" under [target].',
        )
    if found.managed_secret:
        raise RefusedError(
            f"RDS manages the master's password of {found.identifier}, and makes no read replica of such an instance",
            hint='Manage the password yourself, or set replica = "none" under [target].',
        )
