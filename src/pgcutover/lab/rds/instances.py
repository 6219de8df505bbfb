"""A DB instance: moto's record of it, with a real server behind it and a life that takes time.

The record is what the API shows; `database` is the server; `worker` does what takes time, in order. Attributes that
moto's serializer looks for by name are the API's in snake case. Change a record only under `Site.lock`.
"""

import json
import secrets
import string
import sys
import traceback
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from moto.rds.models import DBInstance, DBParameterGroup, MasterUserSecret

from pgcutover.lab.rds import parameters
from pgcutover.lab.rds.classes import CLASSES
from pgcutover.lab.rds.events import happened
from pgcutover.lab.rds.rules import STRIPED_FROM_GIB
from pgcutover.lab.rds.site import HOST
from pgcutover.lab.rds.versions import resolve
from pgcutover.lab.rds.worker import Worker

if TYPE_CHECKING:
    from pgcutover.lab.rds.backend import Backend

AVAILABLE, DELETING = "available", "deleting"
USABLE = frozenset({AVAILABLE, "storage-optimization"})
"""https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html"""
IN_SYNC, APPLYING, PENDING_REBOOT = "in-sync", "applying", "pending-reboot"
PASSWORD_LETTERS = string.ascii_letters + string.digits + "!#$%&*()-_=+[]{}<>:?"
DEFAULT_CA = "rds-ca-rsa2048-g1"
ARCHIVED_EVERY = timedelta(minutes=5)
"""https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIT.html"""
ROUND_TRIP = {
    "engine_lifecycle_support": "open-source-rds-extended-support",
    "network_type": "IPV4",
    "database_insights_mode": "standard",
    "performance_insights_retention_period": None,
    "performance_insights_kms_key_id": None,
    "dedicated_log_volume": False,
    "backup_target": "region",
}
"""What a request may say, moto forgets, and the answer repeats; with RDS's own default.
EngineLifecycleSupport: the default enrols in paid Extended Support."""


class UnfitParametersError(Exception):
    """The server does not start with the parameter group's values."""


class Secret(MasterUserSecret):
    """A managed master password with the real user name and a real password in it."""

    def __init__(self, instance: "Instance", kms_key_id: str | None) -> None:
        self.password = "".join(secrets.choice(PASSWORD_LETTERS) for _ in range(28))
        super().__init__(instance, kms_key_id)

    def _generate_secret_string(self) -> str:
        return json.dumps({"username": self.resource.master_username, "password": self.password})


def certificate(authority: str) -> dict[str, Any]:
    """CertificateDetails: a server certificate is good for a year and renewed by RDS itself."""
    return {"CAIdentifier": authority, "ValidTill": datetime.now(UTC) + timedelta(days=365)}


class Instance(DBInstance):
    backend: "Backend"

    def __init__(self, backend: "Backend", request: Mapping[str, Any]) -> None:
        """`request` as checked by `rules.check_new`, snake_case."""
        self.major, version = resolve(request.get("engine_version"))
        managed = bool(request.get("manage_master_user_password"))
        asked = {
            "ca_certificate_identifier": DEFAULT_CA,
            "license_model": "postgresql-license",
            "publicly_accessible": False,
            **request,
            "engine_version": version,
            # moto's own secret holds a constant; ours replaces it below.
            "manage_master_user_password": False,
            "port": 0,
        }
        super().__init__(backend, **asked)
        self.site = backend.site
        for name, default in ROUND_TRIP.items():
            setattr(self, name, request.get(name, default))
        self.performance_insights_enabled = bool(request.get("enable_performance_insights", False))
        self.dbi_resource_id = "db-" + "".join(secrets.choice(string.ascii_uppercase) for _ in range(26))
        self.status = "creating"
        self.statuses = ["creating"]
        """Every status so far, oldest first: what no client can poll fast enough to see."""
        self.failure = ""
        self.restorable_since: datetime | None = None
        self.pending_modified_values: dict[str, Any] = {}
        self.deferred: dict[str, Any] = {}
        self.certificate_details = certificate(self.ca_certificate_identifier)
        self.attached_group = self.db_parameter_groups()[0].name
        self.booted_group = self.attached_group
        self.apply_status = IN_SYNC
        self.apply_statuses: list[str] = []
        self.applied: dict[str, str] = {}
        self.manage_master_user_password = managed
        if managed:
            self.master_user_secret = Secret(self, request.get("master_user_secret_kms_key_id"))
        if self.storage_encrypted and not request.get("kms_key_id"):
            self.kms_key_id = f"arn:aws:kms:{self.region}:{self.account_id}:key/{uuid.uuid4()}"
        self.database = self.site.database(self.site.root / f"{self.region}-{self.resource_id}", self.major)
        self.worker = Worker(f"rds-{self.resource_id}", self.fail)

    @property
    def address(self) -> str:
        return HOST

    @property
    def endpoint(self) -> dict[str, Any] | None:  # type: ignore[override]
        """None until it has finished creating (A9)."""
        return {"Address": self.address, "Port": self.port, "HostedZoneId": "Z2R2ITUGPM61AM"} if self.port else None

    @property
    def latest_restorable_time(self) -> datetime | None:  # type: ignore[override]
        """A15"""
        if not self.backup_retention_period or self.restorable_since is None:
            return None
        return max(self.restorable_since, datetime.now(UTC) - ARCHIVED_EVERY)

    @property
    def db_instance_port(self) -> int:
        return 0

    @property
    def db_parameter_group_status_list(self) -> list[dict[str, str]]:
        return [{"DBParameterGroupName": self.attached_group, "ParameterApplyStatus": self.apply_status}]

    @property
    def secondary_availability_zone(self) -> str | None:
        return f"{self.region}b" if self.multi_az else None

    @property  # type: ignore[override]
    def iops(self) -> int | None:
        """What was asked for, or what the storage type includes."""
        return self._asked_iops or self._included(3_000, 12_000)

    @iops.setter
    def iops(self, value: int | None) -> None:
        self._asked_iops = value

    @property
    def storage_throughput(self) -> int | None:
        return self._asked_throughput or self._included(125, 500)

    @storage_throughput.setter
    def storage_throughput(self, value: int | None) -> None:
        self._asked_throughput = value

    def _included(self, below: int, striped: int) -> int | None:
        # moto asks while it is still making the record.
        if getattr(self, "_storage_type", None) != "gp3":
            return None
        return striped if int(self.allocated_storage) >= STRIPED_FROM_GIB else below

    @property
    def busy(self) -> bool:
        return self.status not in USABLE

    @property
    def master_password(self) -> str:
        if self.manage_master_user_password:
            return self.master_user_secret.password  # type: ignore[attr-defined, no-any-return]
        return str(self._master_user_password)

    def group(self, name: str) -> DBParameterGroup:
        return self.backend.db_parameter_groups[name]

    def enter(self, status: str) -> None:
        """The next status; nothing leads out of deleting."""
        with self.site.lock:
            if self.status != DELETING:
                self.status = status
                self.statuses.append(status)

    def follow_group(self, status: str) -> None:
        """How the server stands to its parameter group."""
        with self.site.lock:
            self.apply_status = status
            self.apply_statuses.append(status)

    def fail(self, failure: Exception) -> None:
        """What a job could not do: the status says so, the lab's log says why."""
        with self.site.lock:
            self.failure = str(failure)
            self.enter("incompatible-parameters" if isinstance(failure, UnfitParametersError) else "failed")
        traceback.print_exception(failure, file=sys.stderr)

    def tell(self, message: str, *categories: str) -> None:
        self.backend.events.append(happened(self, message, *categories))

    def waiting_for_reboot(self) -> frozenset[str]:
        """Parameters of the attached group last edited with the method pending-reboot."""
        return frozenset(self.backend.held.get(self.attached_group, ()))

    def wanted_settings(self, group: str) -> dict[str, str]:
        """What the server should be set to under this group, formulas evaluated for the instance's class."""
        size = CLASSES[self.db_instance_class]
        variables = {
            "DBInstanceClassMemory": size.usable_memory_bytes,
            "DBInstanceVCPU": size.vcpus,
            "AllocatedStorage": int(self.allocated_storage) * 2**30,
            "EndPointPort": self.port or 5432,
        }
        return parameters.wanted(self.group(group).parameters, self.site.catalogue.of(self.major), variables)
