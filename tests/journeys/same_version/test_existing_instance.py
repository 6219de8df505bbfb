"""PostgreSQL 16 to 16, onto an instance that somebody's Terraform made: used, and left exactly as it was found."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from lab_driver import APP, Lab
from shared_lab import Shared

INSTANCE, GROUP = "acme-terraform", "acme-terraform-16"
THEIRS = {"log_min_duration_statement": "250", "maintenance_work_mem": "65536", "random_page_cost": "1.1"}
"""Values of the group's owner; one of them is changed for the load, and must come back to this."""
REFUSED = 67


@pytest.fixture(scope="module")
def lab(shared: Shared) -> Iterator[Lab]:
    lab = shared.take()
    with closing(lab.aws("rds")) as rds:
        make_instance(rds)
        lab.edit({'postgres = "18"': f'postgres = "same"\nexisting = "{INSTANCE}"\nparameter_group = "{GROUP}"'})
        # With what pgcutover rights asks for an instance of one's own, and no more.
        yield lab.limited("plan", "prepare", "migrate", "rollback")
        shared.give_back()
        rds.delete_db_instance(DBInstanceIdentifier=INSTANCE, SkipFinalSnapshot=True)
        # The lab is shared: the next one is not to see it go.
        rds.get_waiter("db_instance_deleted").wait(
            DBInstanceIdentifier=INSTANCE, WaiterConfig={"Delay": 1, "MaxAttempts": 300}
        )


def make_instance(rds: Any) -> None:
    """As `terraform apply` does."""
    rds.create_db_parameter_group(
        DBParameterGroupName=GROUP, DBParameterGroupFamily="postgres16", Description="Terraform"
    )
    rds.modify_db_parameter_group(
        DBParameterGroupName=GROUP,
        Parameters=[{"ParameterName": n, "ParameterValue": v, "ApplyMethod": "immediate"} for n, v in THEIRS.items()],
    )
    rds.create_db_instance(
        DBInstanceIdentifier=INSTANCE,
        DBInstanceClass="db.t4g.medium",
        Engine="postgres",
        EngineVersion="16",
        AllocatedStorage=30,
        StorageEncrypted=True,
        MasterUsername="terraform",
        ManageMasterUserPassword=True,
        DBParameterGroupName=GROUP,
        BackupRetentionPeriod=3,
        PubliclyAccessible=True,
        Tags=[{"Key": "made-by", "Value": "terraform"}],
    )
    rds.get_waiter("db_instance_available").wait(
        DBInstanceIdentifier=INSTANCE, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )


def theirs(lab: Lab) -> dict[str, Any]:
    """All that is somebody else's: the instance's settings, the group's values, the security groups, the secrets."""
    with closing(lab.aws("rds")) as rds, closing(lab.aws("ec2")) as ec2:
        (instance,) = rds.describe_db_instances(DBInstanceIdentifier=INSTANCE)["DBInstances"]
        pages = rds.get_paginator("describe_db_parameters").paginate(DBParameterGroupName=GROUP, Source="user")
        values = {p["ParameterName"]: p["ParameterValue"] for page in pages for p in page["Parameters"]}
        security = {
            group["GroupId"]: group["IpPermissions"] for group in ec2.describe_security_groups()["SecurityGroups"]
        }
    # It moves on its own.
    instance.pop("LatestRestorableTime", None)
    return {"instance": instance, "values": values, "security": security}


def test_an_existing_instance_is_left_as_it_was_found(lab: Lab) -> None:
    """Moved 16 to 16 and back again: 0 lost, and the owner's values and settings are exactly as before."""
    before, heroku = theirs(lab), lab.world()
    plan = lab.json("plan")["plan"]
    target = plan["decisions"]["target"]
    assert (INSTANCE, 16, True) == (target["instance"], target["major"], target["existing"])
    assert "maintenance_work_mem" in dict(target["load_parameters"])
    assert not {"network", "instance", "parameter-group", "aftercare"} & {step["name"] for step in plan["steps"]}

    said = lab.run("migrate", "--yes").stderr
    assert "parameters-back done" in said
    ledger = lab.nothing_lost()
    assert "rds" == ledger["apps"][APP]["database"]
    with lab.target(target["database"], INSTANCE) as session:
        served = "SELECT setting FROM pg_settings WHERE name = %s"
        assert ("65536",) == session.execute(served, ["maintenance_work_mem"]).fetchone()
        assert ("on",) == session.execute(served, ["autovacuum"]).fetchone()
    assert before == theirs(lab)

    lab.run("rollback", "--yes")
    lab.forgive()
    assert heroku == lab.world()
    assert before == theirs(lab)
    said = lab.run("destroy", "--target", INSTANCE, "--yes", code=REFUSED).stderr
    assert "not made by pgcutover" in said
    assert before == theirs(lab)


def test_a_failing_move_puts_the_owners_values_back(lab: Lab) -> None:
    """A move that goes back by itself before its parameters were put back leaves the owner's values as found."""
    before = theirs(lab)
    smoke = "python -m pgcutover.lab.application smoke"
    lab.edit({f'"{smoke}"': '"false"'})
    lab.run("plan")
    with lab.running("migrate", "--yes") as run:
        run.begun("schema")
        assert before["values"] != theirs(lab)["values"]
        lab.rds(f"instances/{INSTANCE}/network/refuse")
        lab.rds(f"instances/{INSTANCE}/network/cut")
        assert run.process.wait(240) != 0
        errors = run.errors
    lab.rds(f"instances/{INSTANCE}/network/accept")
    if "still closed" in errors:
        lab.run("rollback", "--yes")
    assert "returned" == lab.json("status")["outcome"]
    assert before == theirs(lab)
    lab.nothing_lost()
    lab.edit({'"false"': f'"{smoke}"'})
