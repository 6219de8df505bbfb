"""`destroy --target`: the only way by which an RDS instance is ever deleted, and what belongs to it with it.

It needs the instance's name, typed by a person; it takes a final snapshot, which stays; and it removes nothing that
does not carry our tag.
"""

from dataclasses import dataclass

from pgcutover.errors import NotConfirmedError, RefusedError
from pgcutover.planning.alarms import alarm_names
from pgcutover.planning.names import names_for
from pgcutover.planning.target import TargetPlan
from pgcutover.steps.ports_aws import AwsGate

DESTROYED = "destroyed"
"""Kind of the note that says so in the journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroyed:
    """What is gone and what stays, in words."""

    removed: tuple[str, ...]
    kept: tuple[str, ...]


def destroy(aws: AwsGate, target: TargetPlan, *, typed: str) -> Destroyed:
    """Delete the alarms, the read replica, the instance after a final snapshot, then its groups and its secret.

    Nothing is deleted before every replica was looked at. Again after a crash, it goes on. The secret can be brought
    back for 30 days, the snapshot stays until somebody deletes it.

    Raises:
        RefusedError: the instance, or a replica of it, was made by somebody else, or a replica must stay.
        NotConfirmedError: the name typed is another.
    """
    if target.existing:
        raise RefusedError(
            f"instance {target.instance} was not made by pgcutover",
            hint=f"Whoever made it may delete it{_replica_first(target)}.",
        )
    if typed != target.instance:
        raise NotConfirmedError(
            f"the instance is named {target.instance}, not {typed or 'nothing'}",
            hint="Type the name exactly, when you are sure that no row in it is needed.",
        )
    tags, names = dict(target.tags), names_for(target.instance)
    replicas = replicas_of(aws, target)
    for replica in replicas:
        aws.instances.deletable_replica(replica, tags)
    # Before what they watch: a database that is being deleted is nobody's night call.
    aws.alarms.remove(alarm_names(target.instance, names.replica), tags)
    # First, for a primary's deletion promotes its replicas.
    for replica in replicas:
        aws.instances.delete_replica(replica, tags)
    replica_group = names.replica_group(f"postgres{target.major}")
    aws.parameters.remove_group(replica_group, tags)
    aws.instances.delete_with_final_snapshot(target.instance, target.final_snapshot, tags)
    aws.parameters.remove_group(target.parameter_group, tags)
    aws.network.remove_subnet_group(target.subnet_group, tags)
    aws.network.remove_security_group(target.security_group, target.vpc_id, tags)
    aws.secrets.remove(target.secret_name, tags)
    return Destroyed(
        removed=(
            *(f"read replica {replica}" for replica in replicas),
            *((f"parameter group {replica_group}",) if replicas else ()),
            f"instance {target.instance}",
            f"parameter group {target.parameter_group}",
            f"subnet group {target.subnet_group}",
            f"security group {target.security_group}",
            *((f"{len(target.alarms)} CloudWatch alarms",) if target.alarms else ()),
        ),
        kept=(
            f"every snapshot, the last being {target.final_snapshot}",
            f"secret {target.secret_name} (recoverable for 30 days)",
        ),
    )


def replicas_of(aws: AwsGate, target: TargetPlan) -> tuple[str, ...]:
    """The planned replica, and what else follows the instance: those of an earlier plan, too.

    Raises:
        RefusedError: one is out of our reach, in another Region or an Aurora cluster; pgcutover made none there.
    """
    found = aws.instances.describe(target.instance)
    planned = (target.replica.identifier,) if target.replica is not None else ()
    if found is None:
        return planned
    foreign = [*(name for name in found.replicas if ":" in name), *found.replica_clusters]
    if foreign:
        raise RefusedError(
            f"instance {target.instance} has a replica that pgcutover did not make: {', '.join(foreign)}",
            hint="Promote or delete it first; deleting its primary would promote it.",
        )
    return tuple(dict.fromkeys((*planned, *found.replicas)))


def _replica_first(target: TargetPlan) -> str:
    if target.replica is None:
        return ""
    command = "aws rds delete-db-instance --skip-final-snapshot --db-instance-identifier"
    return f", after its read replica, which pgcutover made: {command} {target.replica.identifier}"
