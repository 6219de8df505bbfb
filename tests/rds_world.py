"""An AWS account to test against: the lab's RDS, and a world for the steps that make a target in it."""

import json
import shutil
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgcutover.config import TargetChoices
from pgcutover.edges.aws import Aws
from pgcutover.edges.postgres import Server
from pgcutover.edges.replica import Replica
from pgcutover.edges.target import TargetAccess, TargetAdmin
from pgcutover.edges.vacuuming import Vacuuming
from pgcutover.facts.names import Dsn
from pgcutover.lab.layout import LabLayout
from pgcutover.lab.rds import ADMIN_KEY, SECRET_KEY, RdsLab
from pgcutover.lab.tls import CertificateAuthority
from pgcutover.planning.proposal import plan_target
from pgcutover.planning.target import Occasion, SourceFacts, TargetPlan
from pgcutover.running.step import Json
from pgcutover.steps.target_survey import survey_target

SPEED = 600
REGION = "us-east-1"
SOURCE = SourceFacts(
    plan="heroku-postgresql:standard-0",
    major=16,
    data_bytes=10**8,
    index_bytes=10**7,
    encoding="UTF8",
    collate="C.UTF-8",
    ctype="C.UTF-8",
    locale_provider="c",
    search_path='"$user", public, heroku_ext',
    extensions=(("vector", "heroku_ext"),),
    credentials=("readonly",),
    public_create=False,
)


@dataclass(frozen=True, kw_only=True)
class Account:
    """The lab's RDS, with a client of ours that asks more often than it would ask AWS."""

    url: str
    aws: Aws
    bundle: Path

    def client(self, **options: Any) -> Aws:
        """Another client. Close it."""
        return Aws(REGION, endpoint_url=self.url, clock=Hurry(), **options)

    def turn(self, **knobs: Any) -> None:
        """Make the lab misbehave."""
        request = urllib.request.Request(f"{self.url}/_lab/rds/knobs", data=json.dumps(knobs).encode())
        with urllib.request.urlopen(request) as answer:
            answer.read()


@dataclass
class Hurry:
    """Time in which a pause is a tenth of what was asked."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / 10)


@dataclass
class Notes:
    kept: list[tuple[str, Mapping[str, Json]]] = field(default_factory=list)

    def note(self, kind: str, payload: Mapping[str, Json]) -> None:
        self.kept.append((kind, json.loads(json.dumps(payload))))

    def notes(self, kind: str) -> tuple[Mapping[str, Json], ...]:
        return tuple(payload for k, payload in self.kept if k == kind)


@dataclass(kw_only=True)
class RdsWorld:
    """What the target's steps see of the world."""

    aws: Aws
    access: TargetAccess
    admin: TargetAdmin
    replica: Replica
    replica_access: TargetAccess
    notes: Notes = field(default_factory=Notes)
    clock: Hurry = field(default_factory=Hurry)

    @property
    def vacuuming(self) -> Vacuuming:
        return Vacuuming(Server(dsn=self.access.app(), side="target"))

    def connect(self, dsn: Dsn, **options: str) -> psycopg.Connection:
        """A session of its own. Close it."""
        return psycopg.connect(dsn.with_options(**options).url().reveal(), autocommit=True)


@contextmanager
def account() -> Iterator[Account]:
    """One lab; there can be only one in a process at a time."""
    directory = Path(tempfile.mkdtemp(prefix="pgcutover-aws-", dir="/tmp"))
    directory.chmod(0o755)
    layout = LabLayout(directory)
    authority = CertificateAuthority.create(layout.tls)
    lab = RdsLab(layout, authority, speed=SPEED)
    try:
        url = lab.start()
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("AWS_ACCESS_KEY_ID", ADMIN_KEY)
            environment.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            environment.delenv("AWS_PROFILE", raising=False)
            with Aws(REGION, endpoint_url=url, clock=Hurry()) as aws:
                # boto3 reads the keys at its first call: not inside a test that changes them.
                aws.identity()
                yield Account(url=url, aws=aws, bundle=authority.bundle)
    finally:
        lab.stop()
        shutil.rmtree(directory)


def planned(aws: Aws, *, app: str = "acme-api", number: int = 1, **choices: Any) -> TargetPlan:
    """The target for a small application, with other choices or facts of the source where given."""
    facts_of_source = {key: choices.pop(key) for key in SOURCE.__dataclass_fields__ if key in choices}
    wishes = TargetChoices(**{"region": REGION, "exposure": "public-tls", **choices})
    source = replace(SOURCE, **facts_of_source)
    occasion = Occasion(app=app, environment="production", run_number=number)
    return plan_target(wishes, source, survey_target(aws, wishes, source, occasion), occasion).plan


def world_for(account: Account, target: TargetPlan) -> RdsWorld:
    """A world that looks at this target."""
    access = _access(account, target, target.instance)
    replica = _access(account, target, target.replica.identifier if target.replica else "none")
    return RdsWorld(
        aws=account.aws,
        access=access,
        admin=TargetAdmin(access),
        replica=Replica(access, replica),
        replica_access=replica,
    )


def _access(account: Account, target: TargetPlan, instance: str) -> TargetAccess:
    return TargetAccess(
        endpoint=lambda: account.aws.instances.endpoint(instance),
        logins=lambda: account.aws.logins(target.secret_name, target.master_secret),
        ca_bundle=lambda: account.bundle,
        master_user=target.master_user,
        app_role=target.app_role,
        database=target.database,
    )
