"""DB snapshots of the lab's RDS: manual ones hold a real copy of the server's files, and can be restored.

Automated ones, and copies of snapshots, are records without files. Every method is called with `Site.lock` held.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.rds.exceptions import (
    DBInstanceAlreadyExists,
    DBInstanceNotFoundError,
    DBSnapshotAlreadyExistsError,
    RDSClientError,
)
from moto.rds.models import DBSnapshot

from pgcutover.lab.rds import life
from pgcutover.lab.rds.events import happened
from pgcutover.lab.rds.groups import Groups
from pgcutover.lab.rds.instances import AVAILABLE, Instance

CREATING = "creating"
KEPT = (
    "db_instance_class",
    "engine",
    "engine_version",
    "allocated_storage",
    "storage_type",
    "storage_encrypted",
    "kms_key_id",
    "master_username",
    "db_parameter_group_name",
    "vpc_security_group_ids",
    "db_name",
    "auto_minor_version_upgrade",
    "engine_lifecycle_support",
    "publicly_accessible",
    "copy_tags_to_snapshot",
)
"""What a restored instance, or a replica, takes over when the request does not say."""


class Snapshots(Groups):
    def instance(self, identifier: str) -> Instance:
        found = self.describe_db_instances(identifier)[0]
        if not isinstance(found, Instance):
            raise DBInstanceNotFoundError(identifier)
        return found

    @staticmethod
    def check_available(instance: Instance) -> None:
        if instance.busy:
            raise RDSClientError(
                "InvalidDBInstanceState", f"Instance {instance.resource_id} is not in available state."
            )

    def directory_of(self, snapshot: DBSnapshot) -> Path:
        return self.site.snapshots / f"{self.region_name}-{snapshot.resource_id}"

    def create_db_snapshot(
        self,
        db_instance_identifier: str,
        db_snapshot_identifier: str,
        snapshot_type: str = "manual",
        tags: list[dict[str, str]] | None = None,
        original_created_at: datetime | None = None,
        kms_key_id: str | None = None,
    ) -> DBSnapshot:
        instance = self.instance(db_instance_identifier)
        self.check_available(instance)
        record = self.new_snapshot(instance, db_snapshot_identifier, tags=tags)
        directory = self.directory_of(record)
        instance.worker.submit(lambda: life.snapshot(instance, record, directory))
        return record

    def new_snapshot(
        self, instance: Instance, identifier: str, *, tags: list[dict[str, str]] | None = None
    ) -> DBSnapshot:
        """The record of a manual snapshot that is being made."""
        if identifier in self.database_snapshots:
            raise DBSnapshotAlreadyExistsError(identifier)
        manual = [one for one in self.database_snapshots.values() if one.snapshot_type == "manual"]
        if len(manual) >= self.site.knobs.snapshot_quota:
            raise RDSClientError(
                "SnapshotQuotaExceeded",
                "The request cannot be processed because it would exceed the maximum number of snapshots.",
            )
        return self._record(instance, identifier, "manual", tags)

    def automated_snapshot(self, instance: Instance) -> DBSnapshot:
        moment = datetime.now(UTC).strftime("%Y-%m-%d-%H-%M")
        return self._record(instance, f"rds:{instance.resource_id}-{moment}", "automated", None)

    def finish_snapshot(self, snapshot: DBSnapshot) -> None:
        snapshot.status, snapshot.percent_progress = AVAILABLE, 100  # type: ignore[attr-defined]
        self.events.append(happened(snapshot, f"{snapshot.snapshot_type.capitalize()} snapshot created", "creation"))

    def delete_db_snapshot(self, db_snapshot_identifier: str) -> DBSnapshot:
        snapshot = self.get_db_snapshot(db_snapshot_identifier)
        self.check_finished(snapshot)
        shutil.rmtree(self.directory_of(snapshot), ignore_errors=True)
        return self.database_snapshots.pop(snapshot.resource_id)

    def check_new_place(self, identifier: str) -> None:
        if identifier in self.databases:
            raise DBInstanceAlreadyExists
        if len(self.databases) >= self.site.knobs.instance_quota:
            raise RDSClientError("InstanceQuotaExceeded", "DB Instance quota exceeded")

    def _record(self, instance: Instance, identifier: str, kind: str, tags: list[dict[str, str]] | None) -> DBSnapshot:
        snapshot = DBSnapshot(self, instance, identifier, kind, tags)
        snapshot.status, snapshot.percent_progress = CREATING, 0  # type: ignore[attr-defined]
        self.database_snapshots[snapshot.resource_id] = snapshot
        self.events.append(happened(snapshot, f"Creating {kind} snapshot", "creation"))
        return snapshot

    @staticmethod
    def check_finished(snapshot: DBSnapshot) -> None:
        if snapshot.status != AVAILABLE:
            raise RDSClientError(
                "InvalidDBSnapshotState", f"Snapshot {snapshot.resource_id} is not in available state."
            )


def shape_of(instance: Instance) -> dict[str, Any]:
    """The request that would make such an instance again, less its name."""
    shape = {name: getattr(instance, name) for name in KEPT}
    shape["db_subnet_group_name"] = instance.db_subnet_group.name
    shape["master_user_password"] = instance.master_password
    return shape
