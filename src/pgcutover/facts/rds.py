"""What stands in an AWS account and on its RDS server, as far as a move asks. Values only; no secret is in any of them.

`OWNER_TAG` decides what is ours: a resource without it, or with another environment's value, is never changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

OWNER_TAG = "pgcutover:environment"
RUN_TAG = "pgcutover:run"

USABLE = frozenset({"available", "backing-up", "storage-optimization", "configuring-enhanced-monitoring"})
"""Statuses in which an instance serves; botocore's own waiter knows only the first.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html"""

CHANGEABLE = frozenset({"available", "storage-optimization"})
"""Statuses in which RDS accepts a change; in the other usable ones it answers InvalidDBInstanceState."""

Tags = Mapping[str, str]
Value = tuple[str, str]
"""A parameter's name and value, as the API writes them: integers in the parameter's own unit, booleans 0 and 1."""


def is_ours(tags: Tags, wanted: Tags) -> bool:
    """Whether pgcutover made it for the environment that `wanted` names."""
    return OWNER_TAG in tags and tags[OWNER_TAG] == wanted.get(OWNER_TAG)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFacts:
    """An instance class; RDS classes have the hardware of the EC2 type of the same name."""

    name: str
    vcpus: int
    memory_gib: float
    disk_mb_per_s: float
    """What the class sustains; above it is a burst that ends. The same holds for `disk_iops`."""
    disk_iops: int

    @property
    def family(self) -> str:
        return self.name.split(".")[1]

    @property
    def size(self) -> str:
        return self.name.split(".")[2]

    @property
    def burstable(self) -> bool:
        return self.family.startswith("t")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineVersion:
    version: str
    family: str
    """Parameter group family, for example postgres18."""

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a family or group. `value` is None where the engine's own default counts."""

    name: str
    value: str | None
    source: str
    """user, system or engine-default."""
    dynamic: bool
    modifiable: bool
    data_type: str
    allowed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    id: str
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    vpc_id: str
    cidr: str
    subnets: tuple[Subnet, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    name: str
    used: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A DB instance as the API describes it; `host` is '' until it has an endpoint."""

    identifier: str
    arn: str
    engine: str
    engine_version: str
    instance_class: str
    storage_gb: int
    storage_type: str
    status: str
    host: str
    port: int
    master_user: str
    managed_secret: str
    """ARN of the secret that RDS itself keeps the master's password in, or ''."""
    parameter_groups: tuple[tuple[str, str], ...]
    """(name, apply status) pairs: in-sync, applying, pending-reboot."""
    subnet_group: str
    security_groups: tuple[str, ...]
    public: bool
    encrypted: bool
    multi_az: bool
    retention_days: int
    deletion_protection: bool
    minor_upgrades: bool
    pending: tuple[str, ...]
    """Names of changes that were accepted and do not count yet."""
    tags: tuple[tuple[str, str], ...]
    created_at: datetime | None
    replica_of: str = ""
    """Identifier of the instance that it follows, or ''."""
    replicas: tuple[str, ...] = ()
    """Identifiers of the instances that follow it; of one in another Region, its ARN."""
    replica_clusters: tuple[str, ...] = ()
    """Aurora clusters that follow it."""
    latest_restorable_at: datetime | None = None
    """The last moment that a point-in-time restore reaches; None while no backup is complete."""
    storage_operation: str = ""
    """Initializing, Optimizing, or ''. A replica whose volume is Initializing reads its blocks from S3."""

    @property
    def usable(self) -> bool:
        return self.status in USABLE and bool(self.host)

    @property
    def changeable(self) -> bool:
        return self.status in CHANGEABLE and bool(self.host)

    @property
    def pending_reboot(self) -> bool:
        return any(status == "pending-reboot" for _, status in self.parameter_groups)

    @property
    def applying(self) -> bool:
        return any(status == "applying" for _, status in self.parameter_groups)

    @property
    def parameter_group(self) -> str:
        return self.parameter_groups[0][0] if self.parameter_groups else ""

    @property
    def major(self) -> int:
        return int(self.engine_version.partition(".")[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSpec:
    """What an instance shall be when it is made. The master's password is read from `secret` at the last moment."""

    identifier: str
    instance_class: str
    engine_version: str
    storage_gb: int
    storage_type: str
    master_user: str
    secret: str
    subnet_group: str
    security_group: str
    vpc_id: str
    parameter_group: str
    public: bool
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSpec:
    """What a read replica shall be when it is made; network and disk are its primary's, and so is every login."""

    identifier: str
    primary: str
    instance_class: str
    public: bool
    minor_upgrades: bool
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaStanding:
    """What a read replica's server says of itself."""

    in_recovery: bool
    """Whether it still follows; False after somebody promoted it."""
    settings: tuple[Value, ...]
    lag_bytes: int
    """WAL that the primary has written and the replica has not replayed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceChange:
    """What to change on an instance; None leaves it as it is."""

    retention_days: int | None = None
    multi_az: bool | None = None
    deletion_protection: bool | None = None
    minor_upgrades: bool | None = None
    parameter_group: str | None = None
    """Counts after a reboot, dynamic values included.
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/parameter-groups-overview.html"""

    def holds(self, instance: Instance) -> bool:
        """Whether the instance is so already."""
        pairs = (
            (self.retention_days, instance.retention_days),
            (self.multi_az, instance.multi_az),
            (self.deletion_protection, instance.deletion_protection),
            (self.minor_upgrades, instance.minor_upgrades),
            (self.parameter_group, instance.parameter_group),
        )
        return all(wanted is None or wanted == found for wanted, found in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A CloudWatch alarm on one metric of one instance."""

    name: str
    instance: str
    metric: str
    above: bool
    """Whether it goes off above the threshold, or below."""
    threshold: float
    """In the metric's own unit."""
    why: str
    topic: str = ""
    """ARN of the SNS topic that is told, or ''."""

    def __str__(self) -> str:
        return f"{self.name} {'above' if self.above else 'below'} {self.threshold:.0f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFacts:
    """A security group or subnet group: its id and what it lets in or holds."""

    id: str
    members: tuple[str, ...]
    """CIDRs that may reach the port, or subnet ids; sorted."""
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFacts:
    """Whose logins a secret holds; never their passwords."""

    arn: str
    users: tuple[str, ...]
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Logins:
    """Whose passwords a secret shall hold. `master` is '' where somebody else keeps it."""

    master: str
    app: str
    credentials: tuple[str, ...]

    @property
    def users(self) -> tuple[str, ...]:
        return tuple(sorted({user for user in (self.master, self.app, *self.credentials) if user}))


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSpec:
    """The new database: who owns it and what must be there before the first dumped object."""

    name: str
    owner: str
    owned_by: str
    """Mark that says whose environment it is: written as a comment on the database and its roles."""
    encoding: str
    collate: str
    ctype: str
    search_path: str
    public_create: bool
    """Whether PUBLIC may create objects in schema public, as it may at the source."""
    extensions: tuple[tuple[str, str], ...]
    """(name, schema) pairs."""
    schemas: tuple[str, ...]
    """Made beforehand, owned by `owner`: those that hold extensions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleFacts:
    name: str
    login: bool
    privileged: bool
    """Superuser, or a member of rds_superuser."""
    mark: str
    ends_sessions: bool
    """May see and end the sessions of other roles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFacts:
    name: str
    owner: str
    encoding: str
    collate: str
    ctype: str
    mark: str
    search_path: str
    public_create: bool
    extensions: tuple[tuple[str, str], ...]
    schemas: tuple[str, ...]
    objects: tuple[str, ...]
    """The first few objects that somebody made in it, outside extensions and pgcutover's own schema."""


Exposure = Literal["public-tls", "private"]
