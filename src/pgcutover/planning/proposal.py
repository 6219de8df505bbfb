"""Decide everything about the new database: version, class, storage, names, parameters, what it must contain.

Pure: choices of a person, facts of the source and facts of AWS go in; a `TargetProposal` comes out. Names follow from
the app's name by rule, so that the same command, run again on another machine, finds what the first one made.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any

from pgcutover.errors import ConfigError, RefusedError
from pgcutover.facts.rds import Alarm, EngineVersion, Instance, Network, Value, is_ours
from pgcutover.planning.alarms import alarms_for
from pgcutover.planning.names import Names, names_for
from pgcutover.planning.rds_extensions import RDS_EXTENSIONS
from pgcutover.planning.replica import choose_replica
from pgcutover.planning.sizing import SizeChoice, choose_size, class_facts
from pgcutover.planning.storage import choose_storage, needed_gb, refuse_small_disk
from pgcutover.planning.target import Occasion, SourceFacts, TargetFacts, TargetPlan, TargetWishes
from pgcutover.planning.tuning import LoadFacts, load_values, production_values, slot_cap_mb

ANYWHERE = "0.0.0.0/0"
DEFAULT_PATH = '"$user", public'
OLDEST_MAJOR = 14
SUPPORT_ENDS = {14: "2027-02-28"}
"""End of RDS standard support where it is near; after it, Extended Support is billed by vCPU-hour.
https://docs.aws.amazon.com/AmazonRDS/latest/PostgreSQLReleaseNotes/postgresql-release-calendar.html"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetProposal:
    """The plan, the sizes it was chosen from, and what a person should know about it."""

    plan: TargetPlan
    size: SizeChoice | None
    notes: tuple[str, ...]


def plan_target(wishes: TargetWishes, source: SourceFacts, facts: TargetFacts, occasion: Occasion) -> TargetProposal:
    """Decide everything about the new database.

    Raises:
        ConfigError: a choice makes no sense, or the instance that it names does not exist.
        RefusedError: AWS, or the existing instance, cannot hold this database: version, class, disk, extension, locale.
    """
    _refuse_locale(source)
    _refuse_extensions(source, facts)
    names = names_for(occasion.app, run_number=occasion.run_number, taken=source.credentials)
    if wishes.existing:
        return _existing(wishes, source, facts, occasion, names)
    return _new(wishes, source, facts, occasion, names)


def wanted_major(wishes: TargetWishes, source_major: int) -> int:
    """The major version asked for.

    Raises:
        ConfigError: older than the source's, which no dump can be restored to.
    """
    major = source_major if wishes.postgres == "same" else int(wishes.postgres)
    if major < source_major:
        raise ConfigError(
            f"target.postgres is {major}, older than the source's {source_major}",
            hint=f"A dump goes only to the same or a newer major version: write {source_major} or more, or same.",
        )
    if major < OLDEST_MAJOR:
        raise ConfigError(
            f"RDS no longer makes PostgreSQL {major} with standard support", hint="Set target.postgres to 16 or newer."
        )
    return major


def newest_version(versions: Sequence[EngineVersion], major: int) -> EngineVersion:
    """The newest minor version that RDS makes instances of.

    Raises:
        RefusedError: it makes none of this major version.
    """
    fitting = [v for v in versions if v.major == major]
    if not fitting:
        offered = ", ".join(str(m) for m in sorted({v.major for v in versions})) or "none"
        raise RefusedError(
            f"RDS makes no instances of PostgreSQL {major} here", hint=f"It offers {offered}: set target.postgres."
        )
    return max(fitting, key=lambda v: tuple(int(part) for part in v.version.split(".") if part.isdigit()))


def _new(
    wishes: TargetWishes, source: SourceFacts, facts: TargetFacts, occasion: Occasion, names: Names
) -> TargetProposal:
    version = newest_version(facts.versions, wanted_major(wishes, source.major))
    size = choose_size(wishes.size, source.plan, orderable=facts.orderable, known=facts.known_classes)
    storage = choose_storage(data_bytes=source.data_bytes, index_bytes=source.index_bytes, asked_gb=wishes.storage_gb)
    network = facts.network
    if network is None:
        raise ConfigError("no network to put the instance in", hint="Set target.subnet_ids.")
    built = TargetPlan(
        **_common(wishes, source, occasion, names),
        existing=False,
        instance=names.instance,
        instance_class=size.chosen.name,
        major=version.major,
        engine_version=version.version,
        storage_gb=storage.storage_gb,
        storage_type="gp3",
        vpc_id=network.vpc_id,
        subnet_ids=tuple(subnet.id for subnet in network.subnets),
        subnet_group=names.subnet_group,
        security_group=names.security_group,
        allowed_cidrs=_cidrs(wishes, network),
        master_secret="",
        parameter_group=names.parameter_group(version.family),
        parameter_family=version.family,
        load_parameters=(),
        production_parameters=(),
        master_user=names.master_user,
    )
    notes = [*size.notes, *storage.notes, *_support(version.major)]
    if facts.instance is not None:
        built, again = _used_again(built, facts.instance, source)
        notes += again
    chosen = choose_replica(wishes, source, facts, built, names)
    built = built.model_copy(update={"replica": chosen.plan})
    notes += chosen.notes
    if wishes.alarms:
        built = built.model_copy(update={"alarms": _alarms(wishes, facts, built)})
    plan, tuning = _tuned(built, source, facts, occasion.jobs)
    return TargetProposal(plan=plan, size=size, notes=(*notes, *tuning))


def _alarms(wishes: TargetWishes, facts: TargetFacts, built: TargetPlan) -> tuple[Alarm, ...]:
    replica = built.replica
    alarms = alarms_for(
        instance=built.instance,
        primary=class_facts(built.instance_class, facts.known_classes),
        replica=replica.identifier if replica else "",
        replica_class=class_facts(replica.instance_class, facts.known_classes) if replica else None,
        storage_gb=built.storage_gb,
    )
    return tuple(replace(alarm, topic=wishes.alarm_topic) for alarm in alarms)


def _used_again(built: TargetPlan, found: Instance, source: SourceFacts) -> tuple[TargetPlan, list[str]]:
    """An instance of that name stands already: of an earlier run, to be used as it is, or somebody else's."""
    if not is_ours(dict(found.tags), dict(built.tags)):
        raise RefusedError(
            f"an RDS instance named {found.identifier} exists and pgcutover did not make it",
            hint=f'Rename or remove it, or use it: set existing = "{found.identifier}" under [target].',
        )
    if found.major != built.major:
        raise RefusedError(
            f"instance {found.identifier}, which pgcutover made, has PostgreSQL {found.major}, not {built.major}",
            hint=f'Set postgres = "{found.major}" under [target], or remove it: pgcutover destroy --target.',
        )
    refuse_small_disk(
        found.storage_gb,
        data_bytes=source.data_bytes,
        index_bytes=source.index_bytes,
        whose=f"the disk of instance {found.identifier}",
    )
    same = {
        "instance_class": found.instance_class,
        "engine_version": found.engine_version,
        "storage_gb": found.storage_gb,
        "storage_type": found.storage_type,
    }
    note = f"instance {found.identifier}, which pgcutover made, is used as it is: {found.instance_class}"
    return built.model_copy(update=same), [note]


def _tuned(built: TargetPlan, source: SourceFacts, facts: TargetFacts, jobs: int) -> tuple[TargetPlan, tuple[str, ...]]:
    names = [name for name, _ in source.extensions]
    instance = class_facts(built.instance_class, facts.known_classes)
    # A slot, and so what it may keep, comes with a replica.
    capped = (("max_slot_wal_keep_size", str(slot_cap_mb(built.storage_gb))),) if built.replica else ()
    lasting = production_values(names, built.database, facts.parameters, capped)
    load = load_values(LoadFacts(instance=instance, storage_gb=built.storage_gb, jobs=jobs), facts.parameters)
    values = {"load_parameters": load.values, "production_parameters": lasting.values}
    return built.model_copy(update=values), (*lasting.notes, *load.notes)


def _existing(
    wishes: TargetWishes, source: SourceFacts, facts: TargetFacts, occasion: Occasion, names: Names
) -> TargetProposal:
    found = facts.instance
    if found is None:
        raise ConfigError(
            f"there is no RDS instance {wishes.existing} in {wishes.region}",
            hint="Check target.existing and target.region.",
        )
    _refuse_instance(wishes, source, found)
    group, load, notes = _existing_load(wishes, facts, found, occasion)
    built = TargetPlan(
        **_common(wishes, source, occasion, names),
        existing=True,
        instance=found.identifier,
        instance_class=found.instance_class,
        major=found.major,
        engine_version=found.engine_version,
        storage_gb=found.storage_gb,
        storage_type=found.storage_type,
        vpc_id="",
        subnet_ids=(),
        subnet_group="",
        security_group="",
        allowed_cidrs=(),
        master_secret=wishes.master_secret or found.managed_secret,
        parameter_group=group,
        parameter_family="",
        load_parameters=load,
        production_parameters=(),
        master_user=found.master_user,
    )
    advised = needed_gb(data_bytes=source.data_bytes, index_bytes=source.index_bytes)
    if found.storage_gb < advised:
        notes = (*notes, f"{found.identifier} has {found.storage_gb} GiB; {advised} GiB leave room to grow")
    chosen = choose_replica(wishes, source, facts, built, names)
    return TargetProposal(
        plan=built.model_copy(update={"replica": chosen.plan}),
        size=None,
        notes=(*notes, *_support(found.major), *chosen.notes),
    )


def _refuse_instance(wishes: TargetWishes, source: SourceFacts, found: Instance) -> None:
    """Raises what speaks against using this instance."""
    if found.engine != "postgres" or not found.usable:
        raise RefusedError(
            f"instance {found.identifier} is {found.engine} and {found.status}",
            hint="target.existing must name an RDS for PostgreSQL instance that is available.",
        )
    major = wanted_major(wishes, source.major)
    if found.major < source.major or (wishes.postgres != "same" and found.major != major):
        raise RefusedError(
            f"instance {found.identifier} has PostgreSQL {found.major}, the plan asks for {major}",
            hint="Use an instance of that major version, or set target.postgres to the instance's.",
        )
    if not (wishes.master_secret or found.managed_secret):
        raise ConfigError(
            f"nobody knows the password of {found.master_user} on instance {found.identifier}",
            hint='Put {"username": …, "password": …} in a Secrets Manager secret; name it in target.master_secret.',
        )
    refuse_small_disk(
        found.storage_gb,
        data_bytes=source.data_bytes,
        index_bytes=source.index_bytes,
        whose=f"the disk of instance {found.identifier}",
    )


def _existing_load(
    wishes: TargetWishes, facts: TargetFacts, found: Instance, occasion: Occasion
) -> tuple[str, tuple[Value, ...], tuple[str, ...]]:
    """The group to touch, the values for the load, and notes; nothing is touched that was not named."""
    if not wishes.parameter_group:
        return "", (), ("no parameter group is named: the load runs with the instance's own parameters",)
    if wishes.parameter_group != found.parameter_group or found.parameter_group.startswith("default."):
        raise ConfigError(
            f"target.parameter_group is {wishes.parameter_group}, the instance's is {found.parameter_group}",
            hint="Name the instance's own group; a default group cannot be changed: leave the key out then.",
        )
    if facts.group_shared_with:
        raise RefusedError(
            f"parameter group {wishes.parameter_group} is also that of {', '.join(facts.group_shared_with)}",
            hint="Give the target a group of its own, or leave target.parameter_group out.",
        )
    instance = class_facts(found.instance_class, facts.known_classes)
    load = load_values(LoadFacts(instance=instance, storage_gb=found.storage_gb, jobs=occasion.jobs), facts.parameters)
    return wishes.parameter_group, load.values, load.notes


def _common(wishes: TargetWishes, source: SourceFacts, occasion: Occasion, names: Names) -> dict[str, Any]:
    """The fields that do not depend on who made the instance."""
    return {
        "region": wishes.region,
        "exposure": wishes.exposure,
        "secret_name": names.secret,
        "retention_days": wishes.retention_days,
        "multi_az": wishes.multi_az,
        "snapshot": names.snapshot(occasion.run_number),
        "final_snapshot": names.final_snapshot(occasion.run_number),
        "database": names.database,
        "app_role": names.app_role,
        "credentials": source.credentials,
        "search_path": "" if source.search_path == DEFAULT_PATH else source.search_path,
        "public_create": source.public_create,
        "extensions": source.extensions,
        "encoding": source.encoding,
        "collate": source.collate,
        "ctype": source.ctype,
        "ca_bundle": wishes.ca_bundle,
        "tags": occasion.tags,
    }


def _cidrs(wishes: TargetWishes, network: Network) -> tuple[str, ...]:
    """Dynos have no fixed addresses; a private instance is open to its own network, where peering ends."""
    if wishes.allowed_cidrs:
        return tuple(sorted({_network(cidr) for cidr in wishes.allowed_cidrs}))
    return (ANYWHERE,) if wishes.exposure == "public-tls" else (network.cidr,)


def _network(cidr: str) -> str:
    """The address block as AWS writes it: without host bits, so that what it lists can be compared."""
    try:
        return str(ip_network(cidr, strict=False))
    except ValueError as cause:
        raise ConfigError(
            f"target.allowed_cidrs: {cidr} is no address block",
            hint="Write 192.0.2.0/24, or 192.0.2.7/32 for one address.",
        ) from cause


def _support(major: int) -> tuple[str, ...]:
    end = SUPPORT_ENDS.get(major)
    return (f"RDS standard support of PostgreSQL {major} ends on {end}",) if end and major == OLDEST_MAJOR else ()


def _refuse_locale(source: SourceFacts) -> None:
    if source.locale_provider not in ("c", "libc", ""):
        raise RefusedError(
            "the source database takes its locale from a provider other than libc",
            hint="pgcutover makes databases with libc locales only; open an issue with the output of \\l+.",
        )


def _with_users(names: list[str], source: SourceFacts) -> list[str]:
    users = dict(source.extension_users)
    return [f"{name} (used by {', '.join(users[name])})" if name in users else f"{name} (unused)" for name in names]


def _refuse_extensions(source: SourceFacts, facts: TargetFacts) -> None:
    offered = RDS_EXTENSIONS if facts.extensions is None else frozenset(facts.extensions)
    missing = sorted(name for name, _ in source.extensions if name not in offered)
    if missing:
        raise RefusedError(
            f"the target does not offer the extensions {', '.join(_with_users(missing, source))}",
            hint="Drop them at the source where nothing uses them (DROP EXTENSION name), then plan again.",
        )
