"""The lab's RDS over HTTP, as any AWS client sees it.

One lab for each test module, for moto allows one in a process.
"""

import json
import shutil
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from pgcutover.lab.layout import LabLayout
from pgcutover.lab.rds import ADMIN_KEY, SECRET_KEY, RdsLab
from pgcutover.lab.tls import CertificateAuthority

SPEED = 1000
REGION = "us-east-1"
MASTER, PASSWORD = "master", "Correct-Horse-9"
LIMIT_S = 60.0
ORDER: dict[str, Any] = {
    "DBInstanceClass": "db.m7g.large",
    "Engine": "postgres",
    "EngineVersion": "18",
    "AllocatedStorage": 20,
    "StorageType": "gp3",
    "MasterUsername": MASTER,
    "MasterUserPassword": PASSWORD,
    "BackupRetentionPeriod": 0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    url: str
    lab: RdsLab
    bundle: Path
    rds: Any

    def client(self, service: str, *, key: str = ADMIN_KEY, tries: int = 1, read_timeout: float = 60) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=SECRET_KEY,
            config=Config(retries={"total_max_attempts": tries, "mode": "standard"}, read_timeout=read_timeout),
        )

    def order(self, name: str, **changes: Any) -> dict[str, Any]:
        """CreateDBInstance with sensible values; None takes a value away."""
        request = {name_: value for name_, value in {**ORDER, **changes}.items() if value is not None}
        return self.rds.create_db_instance(DBInstanceIdentifier=name, **request)["DBInstance"]

    def instance(self, name: str) -> dict[str, Any]:
        return self.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]

    def until(self, name: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Poll until it holds; returns what was seen then."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            found = self.instance(name)
            if holds(found):
                return found
            assert found["DBInstanceStatus"] != "failed", self.shown(name)["failure"]
            time.sleep(0.03)
        raise TimeoutError(f"{name}: {found}")

    def available(self, name: str) -> dict[str, Any]:
        """Once it is available and nothing is pending."""
        return self.until(name, lambda one: one["DBInstanceStatus"] == "available" and not one["PendingModifiedValues"])

    def shown(self, name: str) -> dict[str, Any]:
        """The instance as the lab itself knows it."""
        return next(one for one in self.lab_door("instances") if one["name"] == name)

    def statuses_after(self, name: str, call: Callable[[], Any], *, last: str = "available") -> list[str]:
        """Make a call; every status it led to, up to the last. No status is too short to be seen."""
        return self._history(name, call, "statuses", lambda new: new[-1:] == [last])

    def group_statuses_after(self, name: str, call: Callable[[], Any], *, edits: int = 1) -> list[str]:
        """Make a call that edits the group so many times; every ParameterApplyStatus it led to."""
        return self._history(name, call, "apply_statuses", lambda new: len(new) == 2 * edits)

    def _history(self, name: str, call: Callable[[], Any], kind: str, over: Callable[[list[str]], bool]) -> list[str]:
        before = len(self.shown(name)[kind])
        call()
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            new = self.shown(name)[kind][before:]
            if over(new):
                return new
            time.sleep(0.03)
        raise TimeoutError(f"{name}: {new}")

    def gone(self, name: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            try:
                self.instance(name)
            except self.rds.exceptions.DBInstanceNotFoundFault:
                return
            time.sleep(0.02)
        raise TimeoutError(f"{name} is still there")

    def session(self, name: str, **options: Any) -> psycopg.Connection:
        """A verified session of the master user. Close it."""
        endpoint = self.instance(name)["Endpoint"]
        return psycopg.connect(
            **{
                "host": endpoint["Address"],
                "port": endpoint["Port"],
                "user": MASTER,
                "password": PASSWORD,
                "dbname": "postgres",
                "sslmode": "verify-full",
                "sslrootcert": str(self.bundle),
                "autocommit": True,
                **options,
            }
        )

    def show(self, name: str, parameter: str) -> str:
        with self.session(name) as session:
            row = session.execute("SELECT current_setting(%s)", (parameter,)).fetchone()
        assert row is not None
        return str(row[0])

    def lab_door(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """GET, or POST when there is a body."""
        request = urllib.request.Request(
            f"{self.url}/_lab/rds/{path}", data=None if body is None else json.dumps(body).encode()
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    directory = Path(tempfile.mkdtemp(prefix="pgcutover-rds-", dir="/tmp"))
    directory.chmod(0o755)
    layout = LabLayout(directory)
    authority = CertificateAuthority.create(layout.tls)
    lab = RdsLab(layout, authority, speed=SPEED)
    url = lab.start()
    try:
        unready = Account(url=url, lab=lab, bundle=authority.bundle, rds=None)
        yield replace(unready, rds=unready.client("rds"))
    finally:
        lab.stop()
        shutil.rmtree(directory)


@pytest.fixture
def refused(account: Account) -> Callable[..., tuple[str, int]]:
    """The code and HTTP status of the error that a call answers with."""

    def ask(call: Callable[..., Any], **request: Any) -> tuple[str, int]:
        with pytest.raises(ClientError) as caught:
            call(**request)
        answer = caught.value.response
        return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]

    return ask


@pytest.fixture
def knobs(account: Account) -> Iterator[Callable[..., Any]]:
    """Turn knobs of the lab: `knobs(throttle_calls=3)`. They are as before when the test ends."""
    before = account.lab_door("knobs")
    yield lambda **changes: account.lab_door("knobs", changes)
    account.lab_door("knobs", before)
