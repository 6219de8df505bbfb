"""What ModifyDBInstance can change about a running instance that takes time: one table.

Which change waits for the maintenance window unless ApplyImmediately is given, and which needs a restart, is as in
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.DBInstance.Modifying.html#USER_ModifyInstance.Settings
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pgcutover.lab.rds.instances import IN_SYNC, PENDING_REBOOT, Instance, Secret, certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    work: Callable[[Instance, Any], None]
    message: str
    takes_s: float = 20
    status: str = "modifying"
    pending: str = ""
    """Its name in PendingModifiedValues; empty: not shown there."""
    deferrable: bool = False
    """Waits for the maintenance window unless ApplyImmediately."""
    restarts: bool = False
    optimizes: bool = False


def _set(attribute: str) -> Callable[[Instance, Any], None]:
    def work(instance: Instance, value: Any) -> None:
        with instance.site.lock:
            setattr(instance, attribute, value)

    return work


def _set_certificate(instance: Instance, value: str) -> None:
    with instance.site.lock:
        instance.ca_certificate_identifier = value
        instance.certificate_details = certificate(value)


def _attach_group(instance: Instance, name: str) -> None:
    with instance.site.lock:
        instance.db_parameter_group_name = name
        instance.attached_group = instance.db_parameter_groups()[0].name
        # Even dynamic values of another group count only after a reboot.
        # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/parameter-groups-overview.html
        same = instance.attached_group == instance.booted_group
        instance.follow_group(IN_SYNC if same else PENDING_REBOOT)


def _set_password(instance: Instance, password: str) -> None:
    instance.database.set_password(str(instance.master_username), password)
    with instance.site.lock:
        instance.master_user_password = password


def _manage_password(instance: Instance, managed: bool) -> None:  # noqa: FBT001
    with instance.site.lock:
        if managed:
            instance.master_user_secret = Secret(instance, None)
        else:
            instance.master_user_secret.delete_secret()
            del instance.master_user_secret
        instance.manage_master_user_password = managed
    if managed:
        instance.database.set_password(str(instance.master_username), instance.master_password)


CHANGES: Mapping[str, Change] = MappingProxyType(
    {
        "db_instance_class": Change(
            work=_set("db_instance_class"),
            message="Finished applying modification to DB instance class",
            takes_s=240,
            pending="DBInstanceClass",
            deferrable=True,
            restarts=True,
        ),
        "allocated_storage": Change(
            work=_set("allocated_storage"),
            message="Finished applying modification to allocated storage",
            pending="AllocatedStorage",
            deferrable=True,
            optimizes=True,
        ),
        "storage_type": Change(
            work=_set("storage_type"),
            message="Finished applying modification to storage type",
            pending="StorageType",
            deferrable=True,
            optimizes=True,
        ),
        "iops": Change(
            work=_set("iops"),
            message="Finished applying modification to provisioned IOPS",
            pending="Iops",
            deferrable=True,
            optimizes=True,
        ),
        "storage_throughput": Change(
            work=_set("storage_throughput"),
            message="Finished applying modification to storage throughput",
            pending="StorageThroughput",
            deferrable=True,
            optimizes=True,
        ),
        "backup_retention_period": Change(
            work=_set("backup_retention_period"),
            message="Finished applying modification to backup retention period",
            pending="BackupRetentionPeriod",
            deferrable=True,
        ),
        "multi_az": Change(
            work=_set("multi_az"),
            message="Finished applying modification to convert to a Multi-AZ DB instance",
            takes_s=240,
            pending="MultiAZ",
            deferrable=True,
        ),
        "ca_certificate_identifier": Change(
            work=_set_certificate,
            message="Finished applying modification to the server certificate",
            pending="CACertificateIdentifier",
            deferrable=True,
        ),
        "master_user_password": Change(
            work=_set_password,
            message="Reset master credentials",
            status="resetting-master-credentials",
            pending="MasterUserPassword",
        ),
        "manage_master_user_password": Change(
            work=_manage_password,
            message="Reset master credentials",
            status="resetting-master-credentials",
        ),
        "db_parameter_group_name": Change(
            work=_attach_group, message="Updated the DB instance to use another DB parameter group"
        ),
        "vpc_security_group_ids": Change(
            work=_set("vpc_security_group_ids"), message="Updated the DB instance's security groups"
        ),
        "publicly_accessible": Change(
            work=_set("publicly_accessible"), message="Updated the DB instance's public accessibility"
        ),
    }
)
AT_ONCE: Mapping[str, str] = MappingProxyType(
    {
        "deletion_protection": "deletion_protection",
        "copy_tags_to_snapshot": "copy_tags_to_snapshot",
        "auto_minor_version_upgrade": "auto_minor_version_upgrade",
        "preferred_backup_window": "preferred_backup_window",
        "preferred_maintenance_window": "preferred_maintenance_window",
        "max_allocated_storage": "max_allocated_storage",
        "enable_iam_database_authentication": "enable_iam_database_authentication",
        "enable_performance_insights": "performance_insights_enabled",
        "database_insights_mode": "database_insights_mode",
        "monitoring_interval": "monitoring_interval",
        "monitoring_role_arn": "monitoring_role_arn",
    }
)
"""Request name to attribute: what counts when the call returns, with no change of status."""
