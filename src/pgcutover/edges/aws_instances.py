"""DB instances: described, made, changed, waited for, photographed. Nothing here deletes one without a final snapshot,
but a read replica, which holds nothing of its own.

Waiting is our own: botocore's waiters know one usable status of four, end after 30 minutes, and return at once after a
change, because the status stays `available` for some seconds before RDS begins. So a wait names what must hold.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pgcutover.edges.aws_calls import AwsCalls
from pgcutover.edges.aws_network import SHOWS_LIMIT_S, AwsNetwork, refuse_foreign
from pgcutover.edges.aws_secrets import AwsSecrets
from pgcutover.errors import AwsError, RefusedError
from pgcutover.facts.rds import Instance, InstanceChange, InstanceSpec, ReplicaSpec, Tags

PORT = 5432
CREATION_LIMIT_S = 3600.0
"""Single-AZ instances take 5 to 10 minutes."""
CHANGE_LIMIT_S = 3 * 3600.0
"""A conversion to Multi-AZ copies a snapshot of the whole disk."""
SNAPSHOT_LIMIT_S = 6 * 3600.0
INITIALIZING_LIMIT_S = 24 * 3600.0
"""The volume of a new replica fetches its blocks from S3; hours, when it is large.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ReadRepl.Create.html"""
EVENT_MINUTES = 60
DEAD = frozenset(
    """
    failed incompatible-parameters incompatible-restore incompatible-network incompatible-option-group
    inaccessible-encryption-credentials insufficient-capacity restore-error storage-full deleting stopped
    """.split()  # noqa: SIM905  (a list of quoted names would fill a page)
)
"""Statuses that no waiting changes.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html"""

Holds = Callable[[Instance], bool]


class AwsInstances:
    def __init__(self, calls: AwsCalls, network: AwsNetwork, secrets: AwsSecrets) -> None:
        self._calls = calls
        self._network = network
        self._secrets = secrets
        self._noticed: dict[str, str] = {}

    def describe(self, identifier: str) -> Instance | None:
        reply = self._calls.call(
            "rds", "describe_db_instances", tolerated={"DBInstanceNotFound"}, DBInstanceIdentifier=identifier
        )
        rows = reply.get("DBInstances", [])
        return _instance(rows[0]) if rows else None

    def restorable_behind_s(self, identifier: str) -> float | None:
        """How far the last moment that a restore reaches lies back; None while it reaches none."""
        found = self.describe(identifier)
        if found is None or found.latest_restorable_at is None:
            return None
        return max(0.0, (datetime.now(UTC) - found.latest_restorable_at).total_seconds())

    def with_parameter_group(self, group: str) -> tuple[str, ...]:
        """Identifiers of the instances that have this parameter group."""
        rows = self._calls.pages("rds", "describe_db_instances", "DBInstances")
        return tuple(sorted(i.identifier for i in map(_instance, rows) if group in dict(i.parameter_groups)))

    def endpoint(self, identifier: str) -> tuple[str, int]:
        """Host and port.

        Raises:
            AwsError: there is no such instance, or it has no endpoint yet.
        """
        found = self.describe(identifier)
        if found is None or not found.host:
            raise AwsError(
                f"instance {identifier} " + ("does not exist" if found is None else f"has no endpoint: {found.status}"),
                hint="Run pgcutover prepare, which makes it and waits for it.",
            )
        return found.host, found.port

    def create(self, spec: InstanceSpec) -> None:
        """Ask for an instance of ours, and wait until it can be used; one of that name that is ours is waited for.

        Born encrypted, protected from deletion, without backups: they would slow the load and come afterwards.

        Raises:
            RefusedError: the name is somebody else's.
        """
        # There already: an answer was lost, boto asked again by itself, and what it found is ours.
        self._ensure(
            spec.identifier,
            dict(spec.tags),
            lambda: self._calls.call(
                "rds", "create_db_instance", tolerated=("DBInstanceAlreadyExists",), **self._request(spec)
            ),
        )

    def create_replica(self, spec: ReplicaSpec) -> None:
        """Ask for a read replica of ours, and wait until it can be used; one of that name that is ours is waited for.

        Never with a parameter group: in its primary's Region RDS takes none at birth, and gives it the primary's.
        https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstanceReadReplica.html

        Raises:
            RefusedError: the name is somebody else's.
            AwsError: the primary is not there, or keeps no backups.
        """
        self._ensure(
            spec.identifier,
            dict(spec.tags),
            lambda: self._calls.until(
                lambda: self._accepts_replica(spec), what=f"replica {spec.identifier}", limit_s=CHANGE_LIMIT_S
            ),
        )

    def wait_initialized(self, identifier: str) -> None:
        """Wait until a new volume has all of its blocks; where RDS does not tell, there is nothing to wait for."""
        with self._calls.timed(f"initialization of {identifier}"):
            self.wait(
                identifier,
                lambda i: i.storage_operation != "Initializing",
                what="has all of its blocks",
                limit_s=INITIALIZING_LIMIT_S,
            )

    def _accepts_replica(self, spec: ReplicaSpec) -> bool:
        """Ask once. While the primary is backed up, as it is when its backups were just turned on, RDS refuses."""
        primary = self.wait(spec.primary, _changeable, what="can be replicated", limit_s=CHANGE_LIMIT_S)
        if not primary.retention_days:
            raise AwsError(
                f"instance {spec.primary} keeps no backups, and RDS makes no read replica of such a one",
                hint="Set its backup retention to a day or more, then run the same command again.",
            )
        asked = self._calls.call(
            "rds",
            "create_db_instance_read_replica",
            tolerated=("DBInstanceAlreadyExists", "InvalidDBInstanceState"),
            **_replica_request(spec, primary),
        )
        return bool(asked) or self.describe(spec.identifier) is not None

    def _ensure(self, identifier: str, tags: Tags, ask: Callable[[], object]) -> None:
        found = self.describe(identifier)
        if found is not None:
            refuse_foreign("instance", identifier, dict(found.tags), tags)
            self.wait(identifier, lambda i: True, what="can be used", limit_s=CREATION_LIMIT_S)
            return
        with self._calls.timed(f"instance {identifier}"):
            ask()
            self._calls.until(
                lambda: self.describe(identifier) is not None, what=f"instance {identifier}", limit_s=SHOWS_LIMIT_S
            )
            made = self.describe(identifier)
            if made is not None:
                refuse_foreign("instance", identifier, dict(made.tags), tags)
            self.wait(identifier, lambda i: True, what="can be used", limit_s=CREATION_LIMIT_S)

    def change(self, identifier: str, change: InstanceChange) -> None:
        """Change an instance at once, and wait until the change counts. Nothing is asked when it holds already."""
        found = self.wait(identifier, _changeable, what="can be changed", limit_s=CHANGE_LIMIT_S)
        asked = _modification(change, found)
        if not asked:
            return
        with self._calls.timed(f"change of {identifier} ({_named(change)})"):
            self._calls.call(
                "rds",
                "modify_db_instance",
                DBInstanceIdentifier=identifier,
                ApplyImmediately=True,
                **asked,
            )
            self.wait(
                identifier,
                lambda i: change.holds(i) and not i.applying and not asked.keys() & set(i.pending),
                what=f"has {_named(change)}",
                limit_s=CHANGE_LIMIT_S,
            )

    def reboot(self, identifier: str) -> None:
        """Reboot, and wait until no parameter waits for one any more."""
        self.wait(identifier, _changeable, what="can be rebooted", limit_s=CHANGE_LIMIT_S)
        with self._calls.timed(f"reboot of {identifier}"):
            self._calls.call("rds", "reboot_db_instance", DBInstanceIdentifier=identifier)
            self.wait(identifier, lambda i: not i.pending_reboot, what="has rebooted", limit_s=CREATION_LIMIT_S)

    def wait(self, identifier: str, holds: Holds, *, what: str, limit_s: float) -> Instance:
        """Wait until an instance is usable and this holds; every new status is noticed.

        Raises:
            AwsError: it reached a status from which it does not come back, vanished, or took too long.
        """
        seen: list[Instance] = []

        def look() -> bool:
            found = self.describe(identifier)
            if found is None:
                raise AwsError(f"instance {identifier} does not exist", hint="Was it deleted by somebody else?")
            if self._noticed.get(identifier) != found.status:
                self._noticed[identifier] = found.status
                self._calls.notice(f"instance {identifier} is {found.status}")
            seen[:] = [found]
            if found.status in DEAD:
                raise self._dead(found)
            return found.usable and holds(found)

        self._calls.until(look, what=f"instance {identifier} {what}: it", limit_s=limit_s)
        return seen[-1]

    def events(self, identifier: str) -> tuple[str, ...]:
        """What RDS says happened to an instance in the last hour, oldest first."""
        rows = self._calls.pages(
            "rds",
            "describe_events",
            "Events",
            SourceIdentifier=identifier,
            SourceType="db-instance",
            Duration=EVENT_MINUTES,
        )
        return tuple(str(row["Message"]) for row in rows)

    def snapshot_exists(self, snapshot: str) -> bool:
        """Whether a snapshot is complete."""
        return self._snapshot_status(snapshot) == "available"

    def ensure_snapshot(self, identifier: str, snapshot: str, tags: Tags) -> None:
        """There is a complete snapshot of this name."""
        if self._snapshot_status(snapshot) is None:
            self.wait(identifier, _changeable, what="can be changed", limit_s=CHANGE_LIMIT_S)
            self._calls.call(
                "rds",
                "create_db_snapshot",
                tolerated={"DBSnapshotAlreadyExists"},
                DBSnapshotIdentifier=snapshot,
                DBInstanceIdentifier=identifier,
                Tags=[{"Key": key, "Value": value} for key, value in sorted(tags.items())],
            )
        with self._calls.timed(f"snapshot {snapshot}"):
            self._wait_snapshot(snapshot)

    def deletable_replica(self, identifier: str, tags: Tags) -> Instance | None:
        """The replica, None where it is absent; nothing is deleted.

        Raises:
            RefusedError: it is somebody else's, or follows no primary any more and may hold rows of its own.
        """
        found = self.describe(identifier)
        if found is None:
            return None
        refuse_foreign("instance", identifier, dict(found.tags), tags)
        if found.status != "deleting" and not found.replica_of:
            raise RefusedError(
                f"instance {identifier} was promoted: it follows no primary and may hold rows of its own",
                hint="Delete it yourself, with a final snapshot, when you are sure.",
            )
        return found

    def delete_replica(self, identifier: str, tags: Tags) -> None:
        """Delete a read replica of ours, of which RDS takes no final snapshot; one that is absent is no error.

        Raises:
            RefusedError: as by `deletable_replica`.
        """
        found = self.deletable_replica(identifier, tags)
        if found is None:
            return
        if found.status != "deleting":
            self.change(identifier, InstanceChange(deletion_protection=False))
            self.wait(identifier, _changeable, what="can be deleted", limit_s=CHANGE_LIMIT_S)
            self._calls.call("rds", "delete_db_instance", DBInstanceIdentifier=identifier, SkipFinalSnapshot=True)
        self._until_gone(identifier)

    def _until_gone(self, identifier: str) -> None:
        self._calls.until(
            lambda: self.describe(identifier) is None,
            what=f"the deletion of instance {identifier}",
            limit_s=SNAPSHOT_LIMIT_S,
        )

    def delete_with_final_snapshot(self, identifier: str, snapshot: str, tags: Tags) -> None:
        """Delete an instance of ours after a last snapshot, which stays; returns when both are settled.

        Raises:
            RefusedError: the instance is somebody else's.
        """
        found = self.describe(identifier)
        if found is not None:
            refuse_foreign("instance", identifier, dict(found.tags), tags)
            if found.status != "deleting":
                self.change(identifier, InstanceChange(deletion_protection=False))
                self.wait(identifier, _changeable, what="can be deleted", limit_s=CHANGE_LIMIT_S)
                self._calls.call(
                    "rds",
                    "delete_db_instance",
                    DBInstanceIdentifier=identifier,
                    SkipFinalSnapshot=False,
                    FinalDBSnapshotIdentifier=snapshot,
                )
            self._until_gone(identifier)
        if self._snapshot_status(snapshot) is not None:
            self._wait_snapshot(snapshot)

    def _request(self, spec: InstanceSpec) -> dict[str, Any]:
        group = self._network.security_group(spec.security_group, spec.vpc_id)
        if group is None:
            raise AwsError(f"there is no security group {spec.security_group}", hint="Run pgcutover prepare.")
        password = self._secrets.logins(spec.secret)[spec.master_user]
        return {
            "DBInstanceIdentifier": spec.identifier,
            "DBInstanceClass": spec.instance_class,
            "Engine": "postgres",
            "EngineVersion": spec.engine_version,
            "AllocatedStorage": spec.storage_gb,
            "StorageType": spec.storage_type,
            "StorageEncrypted": True,
            "MasterUsername": spec.master_user,
            # Not ManageMasterUserPassword: it excludes read replicas and rotates every 7 days.
            # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-secrets-manager.html
            "MasterUserPassword": password.reveal(),
            "Port": PORT,
            "DBSubnetGroupName": spec.subnet_group,
            "VpcSecurityGroupIds": [group.id],
            "DBParameterGroupName": spec.parameter_group,
            "PubliclyAccessible": spec.public,
            "MultiAZ": False,
            "BackupRetentionPeriod": 0,
            "DeletionProtection": True,
            "CopyTagsToSnapshot": True,
            "AutoMinorVersionUpgrade": False,
            # Otherwise the instance is enrolled, and billed by vCPU-hour when its version's support ends.
            "EngineLifecycleSupport": "open-source-rds-extended-support-disabled",
            "Tags": [{"Key": key, "Value": value} for key, value in spec.tags],
        }

    def _dead(self, found: Instance) -> AwsError:
        last = "; ".join(self.events(found.identifier)[-3:])
        return AwsError(
            f"instance {found.identifier} is {found.status}" + (f": {last}" if last else ""),
            hint="See the instance's events in the RDS console; pgcutover destroy --target removes it.",
        )

    def _snapshot_status(self, snapshot: str) -> str | None:
        reply = self._calls.call(
            "rds", "describe_db_snapshots", tolerated={"DBSnapshotNotFound"}, DBSnapshotIdentifier=snapshot
        )
        rows = reply.get("DBSnapshots", [])
        return str(rows[0]["Status"]) if rows else None

    def _wait_snapshot(self, snapshot: str) -> None:
        def look() -> bool:
            status = self._snapshot_status(snapshot)
            if status not in ("creating", "available"):
                raise AwsError(f"snapshot {snapshot} is {status or 'gone'}", hint="See its events in the RDS console.")
            return status == "available"

        self._calls.until(look, what=f"snapshot {snapshot}", limit_s=SNAPSHOT_LIMIT_S)


def _replica_request(spec: ReplicaSpec, primary: Instance) -> dict[str, Any]:
    return {
        "DBInstanceIdentifier": spec.identifier,
        "SourceDBInstanceIdentifier": spec.primary,
        "DBInstanceClass": spec.instance_class,
        # Otherwise it gets the network's default group, which lets nobody in.
        "VpcSecurityGroupIds": list(primary.security_groups),
        "PubliclyAccessible": spec.public,
        "MultiAZ": False,
        "DeletionProtection": True,
        "CopyTagsToSnapshot": True,
        "AutoMinorVersionUpgrade": spec.minor_upgrades,
        "Tags": [{"Key": key, "Value": value} for key, value in spec.tags],
    }


def _changeable(instance: Instance) -> bool:
    return instance.changeable


def _modification(change: InstanceChange, found: Instance) -> dict[str, Any]:
    """Only what differs: RDS answers a change of nothing with an error for some attributes."""
    wanted = {
        "BackupRetentionPeriod": (change.retention_days, found.retention_days),
        "MultiAZ": (change.multi_az, found.multi_az),
        "DeletionProtection": (change.deletion_protection, found.deletion_protection),
        "AutoMinorVersionUpgrade": (change.minor_upgrades, found.minor_upgrades),
        "DBParameterGroupName": (change.parameter_group, found.parameter_group),
    }
    return {key: value for key, (value, held) in wanted.items() if value is not None and value != held}


def _named(change: InstanceChange) -> str:
    values = {
        "retention_days": change.retention_days,
        "multi_az": change.multi_az,
        "deletion_protection": change.deletion_protection,
        "minor_upgrades": change.minor_upgrades,
        "parameter_group": change.parameter_group,
    }
    return ", ".join(f"{key}={value}" for key, value in values.items() if value is not None)


def _instance(row: Mapping[str, Any]) -> Instance:
    endpoint = row.get("Endpoint") or {}
    groups = [(g["DBParameterGroupName"], g["ParameterApplyStatus"]) for g in row.get("DBParameterGroups", [])]
    return Instance(
        identifier=row["DBInstanceIdentifier"],
        arn=row.get("DBInstanceArn", ""),
        engine=row["Engine"],
        engine_version=row["EngineVersion"],
        instance_class=row["DBInstanceClass"],
        storage_gb=int(row.get("AllocatedStorage", 0)),
        storage_type=row.get("StorageType", ""),
        status=row["DBInstanceStatus"],
        host=endpoint.get("Address", ""),
        port=int(endpoint.get("Port", 0)),
        master_user=row.get("MasterUsername", ""),
        managed_secret=(row.get("MasterUserSecret") or {}).get("SecretArn", ""),
        parameter_groups=tuple(groups),
        subnet_group=(row.get("DBSubnetGroup") or {}).get("DBSubnetGroupName", ""),
        security_groups=tuple(sorted(g["VpcSecurityGroupId"] for g in row.get("VpcSecurityGroups", []))),
        public=bool(row.get("PubliclyAccessible")),
        encrypted=bool(row.get("StorageEncrypted")),
        multi_az=bool(row.get("MultiAZ")),
        retention_days=int(row.get("BackupRetentionPeriod", 0)),
        deletion_protection=bool(row.get("DeletionProtection")),
        minor_upgrades=bool(row.get("AutoMinorVersionUpgrade")),
        pending=tuple(sorted(row.get("PendingModifiedValues") or {})),
        tags=tuple(sorted((tag["Key"], tag["Value"]) for tag in row.get("TagList", []))),
        created_at=row.get("InstanceCreateTime"),
        replica_of=row.get("ReadReplicaSourceDBInstanceIdentifier") or "",
        replicas=tuple(sorted(row.get("ReadReplicaDBInstanceIdentifiers", []))),
        replica_clusters=tuple(sorted(row.get("ReadReplicaDBClusterIdentifiers", []))),
        latest_restorable_at=row.get("LatestRestorableTime"),
        storage_operation=row.get("StorageOperationStatus") or "",
    )
