"""Pictures of an environment without secrets, to show that going back left everything as it was.

Of Heroku alone for every move; of both worlds and the old database for a drill.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence

from pgcutover.edges.aws import Aws
from pgcutover.edges.heroku import HerokuClient
from pgcutover.edges.postgres import Server
from pgcutover.edges.sourcepicture import read_source_picture
from pgcutover.facts.rds import Instance
from pgcutover.planning.moves import KeptAttachment
from pgcutover.planning.target import TargetPlan
from pgcutover.running.step import Json

HEROKU, SOURCE, THEIRS, MADE = "heroku", "old database", "aws", "made on aws"
THERE = "there"


def picture(heroku: HerokuClient, apps: Sequence[str]) -> dict[str, Json]:
    """Maintenance, formation, attachments and a digest of each config var, per app."""
    return {app: _picture_of(heroku, app) for app in apps}


def without_kept(now: Mapping[str, Json], first: Mapping[str, Json], kept: Sequence[KeptAttachment]) -> dict[str, Json]:
    """A picture but for attachments that were made since the first one was taken, and go again on the way back."""
    names = {(k.app, name) for k in kept for name in (k.name, f"{k.name}_URL")}
    return {app: _without(seen, first.get(app), {n for a, n in names if a == app}) for app, seen in now.items()}


def _without(seen: Json, first: Json, names: Collection[str]) -> Json:
    if not isinstance(seen, Mapping):
        return seen
    known = first if isinstance(first, Mapping) else {}
    return {
        key: _without(part, known.get(key), names) for key, part in seen.items() if key not in names or key in known
    }


def _picture_of(heroku: HerokuClient, app: str) -> dict[str, Json]:
    attachments = heroku.app_attachments(app)
    return {
        "maintenance": heroku.app(app).maintenance,
        "formation": {p.type: p.quantity for p in heroku.formation(app)},
        "attachments": {a.name: f"{a.addon} {a.namespace or 'default'}" for a in attachments},
        "config": {
            key: hashlib.sha256(value.reveal().encode()).hexdigest()[:16] for key, value in heroku.config(app).items()
        },
    }


def worlds(
    heroku: HerokuClient, aws: Aws, source: Server, *, apps: Sequence[str], target: TargetPlan
) -> dict[str, Json]:
    """Heroku, the old database, and what of the plan's names there is on AWS: somebody else's apart from ours."""
    return {
        HEROKU: {app: {**_picture_of(heroku, app), **_built(heroku, app)} for app in apps},
        SOURCE: read_source_picture(source),
        THEIRS: _theirs(aws, target),
        MADE: _made(aws, target),
    }


def changed(before: Mapping[str, Json], after: Mapping[str, Json]) -> tuple[str, ...]:
    """Where the worlds differ, one line each. What was made on AWS meanwhile is kept on purpose."""
    return difference(_without_new(before, before), _without_new(after, before))


def made(target: TargetPlan, found: Mapping[str, Json]) -> tuple[str, ...]:
    """What of ours there is on AWS."""
    names = found[MADE]
    assert isinstance(names, Mapping), "as `worlds` writes it"
    return (*names, f"database {target.database} on {target.instance}, with its roles")


def _without_new(picture: Mapping[str, Json], before: Mapping[str, Json]) -> dict[str, Json]:
    there, known = picture[MADE], before[MADE]
    assert isinstance(there, Mapping), "as `worlds` writes it"
    assert isinstance(known, Mapping), "as `worlds` writes it"
    return {**picture, MADE: {name: there.get(name) for name in known}}


def _built(heroku: HerokuClient, app: str) -> dict[str, Json]:
    return {
        "sizes": {p.type: p.size for p in heroku.formation(app)},
        "buildpacks": ", ".join(heroku.buildpacks(app)),
    }


def _theirs(aws: Aws, target: TargetPlan) -> dict[str, Json]:
    found = aws.instances.describe(target.instance) if target.existing else None
    if found is None:
        return {}
    group = target.parameter_group
    return {
        f"instance {target.instance}": _instance(found),
        **({f"parameter group {group}": dict(aws.parameters.own_values(group))} if group else {}),
    }


def _instance(found: Instance) -> dict[str, Json]:
    return {
        "class": found.instance_class,
        "version": found.engine_version,
        "storage": f"{found.storage_gb} GiB {found.storage_type}",
        "backups": f"{found.retention_days} days",
        "Multi-AZ": found.multi_az,
        "deletion protection": found.deletion_protection,
        "minor upgrades": found.minor_upgrades,
        "parameter groups": ", ".join(name for name, _ in found.parameter_groups),
        "security groups": ", ".join(found.security_groups),
    }


def _made(aws: Aws, target: TargetPlan) -> dict[str, Json]:
    looked: dict[str, object] = {f"secret {target.secret_name}": aws.secrets.describe(target.secret_name)}
    if not target.existing:
        looked |= {
            f"instance {target.instance}": aws.instances.describe(target.instance),
            f"subnet group {target.subnet_group}": aws.network.subnet_group(target.subnet_group),
            f"security group {target.security_group}": aws.network.security_group(target.security_group, target.vpc_id),
            f"parameter group {target.parameter_group}": aws.parameters.group_tags(target.parameter_group),
            f"snapshot {target.snapshot}": aws.instances.snapshot_exists(target.snapshot) or None,
        }
    if target.replica:
        replica, group = target.replica.identifier, target.replica.parameter_group
        looked[f"replica {replica}"] = aws.instances.describe(replica)
        looked[f"parameter group {group}"] = aws.parameters.group_tags(group)
    if target.alarms:
        looked |= {f"alarm {a.name}": a for a in aws.alarms.found([alarm.name for alarm in target.alarms])}
    return {name: THERE for name, found in looked.items() if found is not None}


def difference(before: Json, after: Json, path: str = "") -> tuple[str, ...]:
    """One line for each place where two pictures differ; none when they are the same."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        keys = sorted(set(before) | set(after))
        lines = [line for k in keys for line in difference(before.get(k), after.get(k), f"{path} {k}".strip())]
        return tuple(lines)
    return () if before == after else (f"{path}: {_shown(before)} -> {_shown(after)}",)


def _shown(value: Json) -> str:
    return "absent" if value is None else str(value)
