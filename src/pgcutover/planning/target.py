"""The new database as it is decided (`TargetPlan`), and the values that it is decided from.

A `TargetPlan` is part of the Plan and of its digest; it holds no secret. `planning/proposal.py` decides.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from pgcutover.facts.inventory import DatabaseInventory, Grant
from pgcutover.facts.rds import (
    OWNER_TAG,
    RUN_TAG,
    Alarm,
    ClassFacts,
    DatabaseSpec,
    EngineVersion,
    Exposure,
    Instance,
    Logins,
    Network,
    Parameter,
    Value,
)

HEROKU_EXT = "heroku_ext"
"""Where Heroku puts extensions; column types name it, so it must exist under the same name.

https://help.heroku.com/ZOFBHJCJ/heroku-postgres-extension-schema-restrictions"""


ReplicaTime = Literal["auto", "before-load", "after-lift", "none"]


class ReplicaPlan(BaseModel):
    """The read replica that takes the followers' place, as it is decided."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    identifier: str
    instance_class: str
    parameter_group: str
    parameters: tuple[Value, ...]
    """What its own group holds for good: long queries are not cancelled."""
    made: Literal["before-load", "after-lift"]
    """before-load: it streams while the data is loaded, and the switch names it. after-lift: the followers' variables
    name the primary until it is there."""


class TargetPlan(BaseModel):
    """Everything decided about the new database. Pairs are tuples, in a fixed order, for the digest's sake."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    region: str
    existing: bool
    """The instance was made by somebody else and is used as it is."""
    instance: str
    instance_class: str
    major: int
    engine_version: str
    storage_gb: int
    storage_type: str
    exposure: Exposure
    vpc_id: str
    subnet_ids: tuple[str, ...]
    subnet_group: str
    security_group: str
    allowed_cidrs: tuple[str, ...]
    secret_name: str
    """Secrets Manager secret of ours: logins of the master (unless `master_secret`), the app and the credentials."""
    master_secret: str
    """Name or ARN of somebody else's secret with the master's login; '' when it is in `secret_name`."""
    parameter_group: str
    """'' when an existing instance's group was not named, and nothing of it is touched."""
    parameter_family: str
    load_parameters: tuple[Value, ...]
    """Only while the data is loaded; afterwards exactly what was found comes back."""
    production_parameters: tuple[Value, ...]
    """What the group holds for good; for an existing group, nothing: its own values stay."""
    retention_days: int
    multi_az: bool
    snapshot: str
    final_snapshot: str
    master_user: str
    database: str
    app_role: str
    credentials: tuple[str, ...]
    search_path: str
    """'' for PostgreSQL's default."""
    public_create: bool
    extensions: tuple[tuple[str, str], ...]
    """(name, schema) pairs."""
    encoding: str
    collate: str
    ctype: str
    ca_bundle: str
    tags: tuple[tuple[str, str], ...]
    replica: ReplicaPlan | None = None
    """None where nothing followed the old database, or nobody wants one."""
    alarms: tuple[Alarm, ...] = ()

    @property
    def public(self) -> bool:
        return self.exposure == "public-tls"

    @property
    def logins(self) -> Logins:
        """Whose passwords our secret holds."""
        master = "" if self.master_secret else self.master_user
        return Logins(master=master, app=self.app_role, credentials=self.credentials)

    @property
    def owned_by(self) -> str:
        """The environment that our resources are tagged with."""
        return dict(self.tags)[OWNER_TAG]

    @property
    def database_spec(self) -> DatabaseSpec:
        schemas = {HEROKU_EXT, *(schema for _, schema in self.extensions)} - {"public", "pg_catalog"}
        return DatabaseSpec(
            name=self.database,
            owner=self.app_role,
            owned_by=self.owned_by,
            encoding=self.encoding,
            collate=self.collate,
            ctype=self.ctype,
            search_path=self.search_path,
            public_create=self.public_create,
            extensions=self.extensions,
            schemas=tuple(sorted(schemas)),
        )


class TargetWishes(Protocol):
    """What a person chose; the `[target]` table of pgcutover.toml has these fields."""

    @property
    def region(self) -> str: ...
    @property
    def exposure(self) -> Exposure: ...
    @property
    def size(self) -> str: ...
    @property
    def postgres(self) -> str: ...
    @property
    def existing(self) -> str: ...
    @property
    def master_secret(self) -> str: ...
    @property
    def parameter_group(self) -> str: ...
    @property
    def storage_gb(self) -> int | None: ...
    @property
    def multi_az(self) -> bool: ...
    @property
    def retention_days(self) -> int: ...
    @property
    def ca_bundle(self) -> str: ...
    @property
    def allowed_cidrs(self) -> tuple[str, ...]: ...
    @property
    def subnet_ids(self) -> tuple[str, ...]: ...
    @property
    def replica(self) -> ReplicaTime: ...
    @property
    def replica_size(self) -> str: ...
    @property
    def alarms(self) -> bool: ...
    @property
    def alarm_topic(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """What the source asks of its successor."""

    plan: str
    """Heroku's name of the plan."""
    major: int
    data_bytes: int
    index_bytes: int
    encoding: str
    collate: str
    ctype: str
    locale_provider: str
    search_path: str
    extensions: tuple[tuple[str, str], ...]
    credentials: tuple[str, ...]
    public_create: bool
    extension_users: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """What uses an extension, for those that something uses."""
    followers: tuple[str, ...] = ()
    """Followers that a listed app reads from."""

    @classmethod
    def of(cls, inventory: DatabaseInventory, plan: str, *, followers: tuple[str, ...] = ()) -> "SourceFacts":
        extensions = {(e.name, e.schema) for e in inventory.extensions if e.name != "plpgsql"}
        return cls(
            plan=plan,
            major=inventory.major,
            data_bytes=inventory.data_bytes,
            index_bytes=inventory.index_bytes,
            encoding=inventory.encoding,
            collate=inventory.collate,
            ctype=inventory.ctype,
            locale_provider=inventory.locale_provider,
            search_path=inventory.search_path,
            extensions=tuple(sorted(extensions)),
            credentials=tuple(sorted(inventory.roles)),
            extension_users=tuple((e.name, e.used_by) for e in inventory.extensions if e.used_by),
            public_create=any(_opens_public(grant) for grant in inventory.grants),
            followers=followers,
        )


def _opens_public(grant: Grant) -> bool:
    return (grant.kind, grant.object_sql, grant.grantee, grant.privilege) == ("schema", "public", "PUBLIC", "CREATE")


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFacts:
    """What AWS says, as far as the choices ask; `steps/target_survey.py` gathers it."""

    versions: tuple[EngineVersion, ...]
    orderable: tuple[str, ...]
    known_classes: tuple[ClassFacts, ...]
    parameters: tuple[Parameter, ...]
    """Of the family; for a named group of an existing instance, of that group."""
    network: Network | None
    instance: Instance | None
    """The existing instance, or one that bears the name we would give."""
    replica: Instance | None = None
    """One that bears the name we would give the replica."""
    family_parameters: tuple[Parameter, ...] = ()
    """Of the family, for the replica's own group, where `parameters` are those of an existing instance's group."""
    group_shared_with: tuple[str, ...] = ()
    extensions: tuple[str, ...] | None = None
    """What the existing instance's server offers; None when there is no server to ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """For whom and for which time."""

    app: str
    environment: str
    run_number: int = 1
    jobs: int = 4

    @property
    def tags(self) -> tuple[tuple[str, str], ...]:
        return ((OWNER_TAG, f"{self.app}/{self.environment}"), (RUN_TAG, str(self.run_number)))
