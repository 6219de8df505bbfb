"""moto's RDS backend with real servers: what the calls about DB instances do.

A subclass seated in moto's own registry; moto's classes are not patched. Every method is called with `Site.lock` held,
decides and records, and leaves what takes time to the instance's worker. What is not overridden is moto's own double.
"""

from collections.abc import Mapping
from typing import Any

from moto.rds.exceptions import (
    DBInstanceNotFoundError,
    InvalidParameterCombination,
    InvalidParameterValue,
    RDSClientError,
)
from moto.rds.models import DBInstance, DBSnapshot

from pgcutover.lab.rds import life, rules
from pgcutover.lab.rds.changes import AT_ONCE, CHANGES
from pgcutover.lab.rds.instances import DELETING, Instance
from pgcutover.lab.rds.snapshots import Snapshots, shape_of
from pgcutover.lab.rds.versions import resolve

SHUT = frozenset({"stopped", "failed", "incompatible-parameters", "incompatible-network", "storage-full"})
"""An instance in one of these can be deleted though it is not available."""
MASK = "****"
UNCHANGING = frozenset(
    {"db_instance_identifier", "apply_immediately", "engine", "engine_version", "allow_major_version_upgrade"}
)
"""What else ModifyDBInstance may say here."""

Request = Mapping[str, Any]


class Backend(Snapshots):
    """One Region of one account."""

    def reset(self) -> None:
        """moto resets its backends between tests; the lab's servers end with the lab alone."""

    @property
    def instances(self) -> tuple[Instance, ...]:
        return tuple(instance for instance in self.databases.values() if isinstance(instance, Instance))

    def create_db_instance(self, db_kwargs: dict[str, Any]) -> DBInstance:
        request = dict(db_kwargs)
        rules.check_new(request)
        self.check_new_place(request["db_instance_identifier"])
        major, _ = resolve(request.get("engine_version"))
        self.check_group_fits(request.get("db_parameter_group_name"), major)
        if "db_subnet_group_name" not in request:
            request["db_subnet_group_name"] = self.default_subnet_group()
        self.check_security_groups(request)
        instance = self._made(request)
        instance.worker.submit(lambda: life.create(instance))
        return instance

    def create_db_instance_read_replica(self, db_kwargs: dict[str, Any]) -> DBInstance:
        request = dict(db_kwargs)
        identifier = request["db_instance_identifier"]
        rules.check_identifier(identifier)
        primary = self.find_db_from_id(request["source_db_instance_identifier"])
        if not isinstance(primary, Instance):
            raise DBInstanceNotFoundError(request["source_db_instance_identifier"])
        self._check_replicable(primary, request)
        self.check_new_place(request["db_instance_identifier"])
        replica = self._made({**shape_of(primary), **request, "backup_retention_period": 0})
        replica.set_as_replica()
        replica.source_db_instance_identifier = primary.resource_id
        primary.add_replica(replica)
        replica.worker.submit(lambda: life.replicate(replica, primary))
        return replica

    def restore_db_instance_from_db_snapshot(self, from_snapshot_id: str, overrides: dict[str, Any]) -> DBInstance:
        snapshot, request = self.get_db_snapshot(from_snapshot_id), dict(overrides)
        self.check_finished(snapshot)
        directory, saved = self.directory_of(snapshot), snapshot.database
        if not directory.exists() or not isinstance(saved, Instance):
            raise RDSClientError("InvalidDBSnapshotState", f"{from_snapshot_id} has no files in this lab")
        rules.check_identifier(request["db_instance_identifier"])
        self.check_new_place(request["db_instance_identifier"])
        self.check_group_fits(request.get("db_parameter_group_name"), saved.major)
        instance = self._made({**shape_of(saved), **request})
        instance.worker.submit(lambda: life.restore(instance, directory))
        return instance

    def promote_read_replica(self, db_kwargs: dict[str, Any]) -> DBInstance:
        replica = self.instance(db_kwargs["db_instance_identifier"])
        if not replica.is_replica:
            raise RDSClientError("InvalidDBInstanceState", "DB Instance is not a read replica.")
        self.check_available(replica)
        primary = self.instance(str(replica.source_db_instance_identifier))
        primary.remove_replica(replica)
        replica.is_replica, replica.source_db_instance_identifier = False, None
        replica.backup_retention_period = int(db_kwargs.get("backup_retention_period") or 1)
        replica.worker.submit(lambda: life.promote(replica, primary))
        return replica

    def modify_db_instance(self, db_instance_identifier: str, db_kwargs: dict[str, Any]) -> DBInstance:
        instance = self.instance(db_instance_identifier)
        request = {name: value for name, value in dict(db_kwargs).items() if value is not None}
        self.check_available(instance)
        self._check_modification(instance, request)
        for name in AT_ONCE.keys() & request.keys():
            setattr(instance, AT_ONCE[name], request[name])
        wanted = {
            name: request[name] for name in CHANGES if name in request and _differs(instance, name, request[name])
        }
        for name, value in wanted.items():
            if CHANGES[name].pending:
                shown = MASK if name == "master_user_password" else value
                instance.pending_modified_values[CHANGES[name].pending] = shown
        later = {} if request.get("apply_immediately") else {n: v for n, v in wanted.items() if CHANGES[n].deferrable}
        instance.deferred.update(later)
        now = {name: value for name, value in wanted.items() if name not in later}
        if request.get("apply_immediately"):
            now = {**instance.deferred, **now}
            instance.deferred.clear()
        if now:
            instance.worker.submit(lambda: life.modify(instance, now))
        return instance

    def open_maintenance_window(self, identifier: str) -> Instance:
        """Carry out what waits for the maintenance window."""
        instance = self.instance(identifier)
        self.check_available(instance)
        waiting = dict(instance.deferred)
        instance.deferred.clear()
        if waiting:
            instance.worker.submit(lambda: life.modify(instance, waiting))
        return instance

    def reboot_db_instance(self, db_instance_identifier: str) -> DBInstance:
        instance = self.instance(db_instance_identifier)
        if instance.status != "incompatible-parameters":
            self.check_available(instance)
        instance.worker.submit(lambda: life.reboot(instance))
        return instance

    def stop_db_instance(self, db_instance_identifier: str, db_snapshot_identifier: str | None = None) -> DBInstance:
        instance = self.instance(db_instance_identifier)
        self.check_available(instance)
        if db_snapshot_identifier:
            self.create_db_snapshot(db_instance_identifier, db_snapshot_identifier)
        instance.enter("stopping")
        instance.worker.submit(lambda: life.stop(instance))
        return instance

    def start_db_instance(self, db_instance_identifier: str) -> DBInstance:
        instance = self.instance(db_instance_identifier)
        if instance.status != "stopped":
            raise RDSClientError("InvalidDBInstanceState", f"Instance {db_instance_identifier} is not stopped.")
        instance.enter("starting")
        instance.worker.submit(lambda: life.start(instance))
        return instance

    def delete_db_instance(
        self,
        db_instance_identifier: str,
        final_db_snapshot_identifier: str | None = None,
        skip_final_snapshot: bool | None = False,  # noqa: FBT001, FBT002
        delete_automated_backups: bool | None = True,  # noqa: FBT001, FBT002
    ) -> DBInstance:
        instance = self.instance(db_instance_identifier)
        if instance.status == DELETING:
            raise RDSClientError(
                "InvalidDBInstanceState", f"Instance {db_instance_identifier} is already being deleted."
            )
        if instance.deletion_protection:
            raise InvalidParameterCombination(
                "Cannot delete protected DB Instance, please disable deletion protection and try again."
            )
        if instance.status not in SHUT:  # A11
            self.check_available(instance)
        final = self._final_snapshot(instance, final_db_snapshot_identifier, bool(skip_final_snapshot))
        if delete_automated_backups:
            for snapshot in self.describe_db_snapshots(instance.resource_id, snapshot_type="automated"):
                self.database_snapshots.pop(snapshot.db_snapshot_identifier, None)
        primary = self.instance(str(instance.source_db_instance_identifier)) if instance.is_replica else None
        if primary is not None:
            primary.remove_replica(instance)
        instance.enter(DELETING)
        directory = None if final is None else self.directory_of(final)
        instance.worker.submit(lambda: life.delete(instance, final, directory, primary))
        return instance

    def forget(self, instance: Instance) -> None:
        """The instance is gone, files and all."""
        self.databases.pop(instance.resource_id, None)
        self.site.forget(instance.database)
        if instance.manage_master_user_password:
            instance.master_user_secret.delete_secret()

    def _made(self, request: Request) -> Instance:
        # moto calls methods abstract that it never asks for outside CloudFormation.
        instance = Instance(self, request)  # type: ignore[abstract]
        self.databases[instance.resource_id] = instance
        return instance

    def _check_replicable(self, primary: Instance, request: Request) -> None:
        self.check_available(primary)
        if not primary.backup_retention_period:
            raise RDSClientError(
                "InvalidDBInstanceState",
                "Automated backups are not enabled for this database instance. To enable automated backups, use "
                "ModifyDBInstance to set the backup retention period to a non-zero value.",
            )
        if primary.manage_master_user_password:  # A3
            raise InvalidParameterValue(
                f"Creating read replicas for source instance with engine {rules.ENGINE} where "
                "ManageMasterUserPassword is enabled is not supported"
            )
        if request.get("db_parameter_group_name"):  # A1
            raise InvalidParameterCombination(
                "A DB parameter group can't be specified for a read replica in the same Region."
            )

    def _check_modification(self, instance: Instance, request: Request) -> None:
        unknown = request.keys() - CHANGES.keys() - AT_ONCE.keys() - UNCHANGING
        if unknown:
            raise InvalidParameterCombination(f"This lab cannot change {', '.join(sorted(unknown))}")
        if "engine_version" in request and resolve(request["engine_version"])[1] != instance.engine_version:
            raise InvalidParameterCombination(
                f"Cannot upgrade {rules.ENGINE} from {instance.engine_version} to {request['engine_version']}"
            )
        if "db_instance_class" in request:
            rules.check_class(request["db_instance_class"], instance.engine_version)
        if {"allocated_storage", "storage_type", "iops", "storage_throughput"} & request.keys():
            self._check_storage_change(instance, request)
        rules.check_retention(request)
        if "master_user_password" in request:
            rules.check_password(request["master_user_password"])
        self.check_group_fits(request.get("db_parameter_group_name"), instance.major)
        self.check_security_groups(request)
        if request.get("backup_retention_period") == 0 and instance.replicas:
            raise InvalidParameterCombination("Backups cannot be disabled while the DB instance has read replicas.")

    @staticmethod
    def _check_storage_change(instance: Instance, request: Request) -> None:
        if instance.status == "storage-optimization":
            raise InvalidParameterCombination(
                "You can't currently modify the storage of this DB instance because the previous storage change is "
                "being optimized."
            )
        after = {"storage_type": instance.storage_type, "allocated_storage": instance.allocated_storage, **request}
        rules.check_growth(int(instance.allocated_storage), int(after["allocated_storage"]))
        rules.check_storage(after)

    def _final_snapshot(self, instance: Instance, name: str | None, skip: bool) -> DBSnapshot | None:  # noqa: FBT001
        if instance.is_replica and name:
            raise InvalidParameterCombination(
                "FinalDBSnapshotIdentifier can not be specified when deleting a read replica."
            )
        if skip and name:
            raise InvalidParameterCombination(
                "FinalDBSnapshotIdentifier can not be specified when SkipFinalSnapshot is true."
            )
        if not skip and not name and not instance.is_replica:
            raise InvalidParameterCombination(
                "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."
            )
        return None if skip or not name else self.new_snapshot(instance, name)


def _differs(instance: Instance, name: str, value: Any) -> bool:
    if name == "master_user_password":
        return True
    if name == "db_parameter_group_name":
        return bool(value != instance.attached_group)
    return bool(getattr(instance, name) != value)
