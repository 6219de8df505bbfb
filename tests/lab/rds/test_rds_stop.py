"""Stopping the lab's RDS: nothing stays, whatever it was doing."""

from pathlib import Path

import boto3

from pgcutover.lab import processes
from pgcutover.lab.layout import LabLayout
from pgcutover.lab.rds import ADMIN_KEY, SECRET_KEY, RdsLab
from pgcutover.lab.tls import CertificateAuthority


def _order(url: str, name: str) -> None:
    client = boto3.client(
        "rds",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id=ADMIN_KEY,
        aws_secret_access_key=SECRET_KEY,
    )
    client.create_db_instance(
        DBInstanceIdentifier=name,
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="postgres",
        MasterUserPassword="Correct-Horse-9",
    )
    assert [name] == [one["DBInstanceIdentifier"] for one in client.describe_db_instances()["DBInstances"]]
    client.close()


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
    for name in ("first", "second"):
        lab = RdsLab(layout, authority, speed=1)
        _order(lab.start(), name)
        lab.stop()
        lab.stop()
        assert [] == _servers_below(server_directory)
        assert {} == processes.recorded(layout.run)
