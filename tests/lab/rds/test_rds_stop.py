"""Stopping the lab's RDS: nothing stays, whatever it was doing."""

import os
from pathlib import Path
from typing import Any

import boto3
import pytest

from pgcutover.errors import UsageError
from pgcutover.lab import processes
from pgcutover.lab.layout import LabLayout
from pgcutover.lab.rds import ADMIN_KEY, SECRET_KEY, RdsLab
from pgcutover.lab.tls import CertificateAuthority


def _client(url: str) -> Any:
    return boto3.client(
        "rds",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id=ADMIN_KEY,
        aws_secret_access_key=SECRET_KEY,
    )


def _servers_below(directory: Path) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            found.append(str(entry.readlink()))
        except OSError:
            continue
    return [cwd for cwd in found if cwd.startswith(str(directory))]


def test_stopping_amid_a_creation_leaves_no_process(server_directory: Path) -> None:
    """The creation is cut short, no server runs, none is on record, and a second lab starts with an empty world."""
    layout = LabLayout(server_directory)
    authority = CertificateAuthority.create(layout.tls)
    lab = RdsLab(layout, authority, speed=1)
    _client(lab.start()).create_db_instance(
        DBInstanceIdentifier="first",
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="postgres",
        MasterUserPassword="Correct-Horse-9",
    )
    lab.stop()
    assert [] == _servers_below(server_directory)
    assert {} == processes.recorded(layout.run)
    second = RdsLab(layout, authority, speed=1)
    assert [] == _client(second.start()).describe_db_instances()["DBInstances"]
    second.stop()
    second.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only for root do the servers run as somebody else")
def test_a_place_the_servers_cannot_reach_is_refused_at_the_start(server_directory: Path) -> None:
    """A clear error and not an instance that fails later; and the next lab starts."""
    shut = server_directory / "shut"
    shut.mkdir(mode=0o700)
    authority = CertificateAuthority.create(server_directory / "tls")
    with pytest.raises(UsageError, match="cannot enter"):
        RdsLab(LabLayout(shut), authority, speed=1).start()
    lab = RdsLab(LabLayout(server_directory), authority, speed=1)
    lab.start()
    lab.stop()
