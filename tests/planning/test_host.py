"""The migration host is decided from the target: class, place, image, client; and its scripts do what they say."""

import os
import subprocess
from pathlib import Path

import pytest

from pgcutover.config import HostChoices
from pgcutover.errors import ConfigError, RefusedError
from pgcutover.facts.ec2 import HostSubnet
from pgcutover.planning.host import (
    CLIENT_MAJORS,
    HostPlan,
    HostTarget,
    architecture,
    candidates,
    client_script,
    connect_script,
    install_script,
    plan_host,
)

TAGS = {"pgcutover:environment": "acme-api/production", "pgcutover:run": "1"}
TARGET = HostTarget(
    instance="acme-api", instance_class="db.m7g.2xlarge", major=17, address="acme.example", port=5432, zone="eu-west-1b"
)
SUBNETS = tuple(
    HostSubnet(id=f"subnet-{zone}", zone=f"eu-west-1{zone}", vpc_id="vpc-1", public_addresses=True) for zone in "abc"
)
EVERYWHERE = {(f"{family}.2xlarge", s.zone) for family in ("c7gn", "c6in", "c7g") for s in SUBNETS}


def planned(
    *,
    target: HostTarget = TARGET,
    subnets: tuple[HostSubnet, ...] = SUBNETS,
    offered: set[tuple[str, str]] = EVERYWHERE,
    **wishes: str,
) -> HostPlan:
    return plan_host(
        HostChoices(**wishes),
        target,
        name="acme-api-host",
        region="eu-west-1",
        subnets=subnets,
        offered=offered,
        tags=TAGS,
    )


def other(**changes: object) -> HostTarget:
    return HostTarget(**{name: changes.get(name, getattr(TARGET, name)) for name in HostTarget.__slots__})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "size"),
    [
        ("db.t4g.micro", "xlarge"),
        ("db.m7g.xlarge", "xlarge"),
        ("db.m7g.2xlarge", "2xlarge"),
        ("db.r6i.4xlarge", "2xlarge"),
        ("db.r7g.8xlarge", "4xlarge"),
        ("db.x2g.unheard", "2xlarge"),
    ],
)
def test_the_size_follows_the_targets(target: str, size: str) -> None:
    """A small target is fed by four cores, the usual by eight; families with a network of their own come first."""
    asked = candidates("auto", target)
    assert {size} == {name.split(".")[1] for name in asked}
    assert f"c7gn.{size}" == asked[0]


def test_a_class_can_be_named() -> None:
    """Then it is the only one asked for."""
    assert ("m7i.large",) == candidates("m7i.large", "db.m7g.large")


@pytest.mark.parametrize("size", ["big", "db.m7g.large", "", "c7gn.2xlarge; rm"])
def test_what_is_no_class_is_refused(size: str) -> None:
    """RDS's own names included."""
    with pytest.raises(ConfigError, match=r"host\.size"):
        candidates(size, "db.m7g.large")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("c7gn.2xlarge", "arm64"),
        ("c6gn.xlarge", "arm64"),
        ("m7g.large", "arm64"),
        ("t4g.micro", "arm64"),
        ("im4gn.large", "arm64"),
        ("c6in.2xlarge", "x86_64"),
        ("m7i.large", "x86_64"),
        ("c7a.large", "x86_64"),
        ("g4dn.xlarge", "x86_64"),
    ],
)
def test_the_image_fits_the_processor(name: str, expected: str) -> None:
    """An image for the other processor would not boot."""
    assert expected == architecture(name)


def test_it_stands_in_the_targets_zone() -> None:
    """With the best class that is offered there, and the image for it."""
    plan = planned()
    assert ("eu-west-1b", "subnet-b") == (plan.zone, plan.machine.subnet_id)
    assert "c7gn.2xlarge" == plan.machine.instance_class
    assert plan.machine.image_parameter.endswith("/al2023-ami-kernel-default-arm64")


def test_a_lesser_class_in_the_zone_is_better_than_the_best_elsewhere() -> None:
    """What passes between zones is slower, and billed."""
    plan = planned(offered={("c6in.2xlarge", "eu-west-1b"), ("c7gn.2xlarge", "eu-west-1a")})
    assert ("c6in.2xlarge", "eu-west-1b") == (plan.machine.instance_class, plan.zone)
    assert plan.machine.image_parameter.endswith("-x86_64")


def test_another_zone_is_taken_and_said() -> None:
    """Where the target's zone has none of the classes."""
    plan = planned(offered={("c7gn.2xlarge", "eu-west-1a")})
    assert "eu-west-1a" == plan.zone
    assert any("eu-west-1a" in note and "eu-west-1b" in note for note in plan.notes)


def test_a_subnet_with_public_addresses_goes_first() -> None:
    """Of two in the same zone; where there is none, it is said what the host then needs."""
    private = HostSubnet(id="subnet-0", zone="eu-west-1b", vpc_id="vpc-1", public_addresses=False)
    assert "subnet-b" == planned(subnets=(private, *SUBNETS)).machine.subnet_id
    assert any("NAT gateway" in note for note in planned(subnets=(private,)).notes)


def test_a_region_without_these_classes_is_refused_by_name() -> None:
    """With what was asked and where."""
    with pytest.raises(RefusedError, match=r"c7gn\.2xlarge.*eu-west-1a, eu-west-1b"):
        planned(offered=set())


def test_a_target_that_is_not_there_yet_is_said() -> None:
    """Its zone is not known, and the connection to it is not tried."""
    plan = planned(target=other(address="", zone=""))
    assert any("not there yet" in note for note in plan.notes)
    assert "pg_isready" not in connect_script(plan)


def test_a_given_profile_is_named_and_a_minimal_one_is_explained() -> None:
    """Who gives none learns that the machine may do nothing on AWS by itself."""
    assert ("acme-api-host", False) == (planned().machine.profile, planned().machine.profile_given)
    assert any("sign in to AWS as yourself" in note for note in planned().notes)
    given = planned(instance_profile="theirs")
    assert ("theirs", True) == (given.machine.profile, given.machine.profile_given)


def test_the_client_is_the_targets() -> None:
    """pg_dump must be no newer than the target; a major without a package is refused, a newer one tried and noted."""
    assert 17 == planned().client_major
    with pytest.raises(RefusedError, match="no client of PostgreSQL 14"):
        planned(target=other(major=14))
    newer = planned(target=other(major=max(CLIENT_MAJORS) + 1))
    assert any("was not known" in note for note in newer.notes)


def run(script: str, directory: Path, **stands_for: str) -> tuple[int, list[str]]:
    """Run a script where every program is a stand-in that writes down its calls: the exit code, and they."""
    programs, log = directory / "bin", directory / "calls"
    programs.mkdir(exist_ok=True)
    log.write_text("")
    for name in ("cloud-init", "dnf", "pg_dump", "pg_restore", "psql", "python3.12", "ln", "curl", "pg_isready"):
        program = programs / name
        program.write_text(f'#!/bin/bash\necho {name} "$@" >> {log}\n{stands_for.get(name, "")}\n')
        program.chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    done = subprocess.run(["bash", "-c", script], env={"PATH": path}, capture_output=True, text=True, check=False)
    return done.returncode, log.read_text().splitlines()


def test_the_client_script_installs_the_major_and_looks(tmp_path: Path) -> None:
    """One package by its major; a pg_dump of another major is an error."""
    script = client_script(planned())
    code, calls = run(script, tmp_path, pg_dump="echo 'pg_dump (PostgreSQL) 17.6'")
    assert 0 == code
    assert "dnf install -y -q --allowerasing postgresql17 nmap-ncat" in calls
    assert 0 != run(script, tmp_path, pg_dump="echo 'pg_dump (PostgreSQL) 16.1'")[0]


def test_a_failing_package_manager_fails_the_script(tmp_path: Path) -> None:
    """Nothing after it is run."""
    code, calls = run(client_script(planned()), tmp_path, dnf="exit 1")
    assert 0 != code
    assert "dnf" == calls[-1].split()[0]


def test_the_install_script_takes_the_spec_as_one_word(tmp_path: Path) -> None:
    """Whatever it holds, the shell does not read it."""
    plan = planned(install="pgcutover[web] @ https://example.org/a b;touch oops")
    script = install_script(plan).replace("/opt/pgcutover", str(tmp_path / "opt"))
    made = tmp_path / "opt" / "bin"
    made.mkdir(parents=True)
    for name in ("python", "pgcutover"):
        (made / name).write_text(f'#!/bin/bash\nprintf "%s\\n" "$#" "$@" > {tmp_path}/{name}.said\n')
        (made / name).chmod(0o755)
    code, _ = run(script, tmp_path)
    assert 0 == code
    said = (tmp_path / "python.said").read_text().splitlines()
    assert "pgcutover[web] @ https://example.org/a b;touch oops" == said[-1]
    assert "--" == said[-2]


def test_pip_finds_git_where_it_needs_it() -> None:
    """Amazon Linux has none of its own."""
    assert "-pip git\n" in install_script(planned(install="git+https://example.org/pgcutover.git@v1"))
    assert " git" not in install_script(planned(install="pgcutover==1.0"))


@pytest.mark.parametrize(("program", "expected"), [("curl", 7), ("pg_isready", 2)])
def test_the_connection_script_fails_where_either_side_cannot_be_reached(
    tmp_path: Path, program: str, expected: int
) -> None:
    """Heroku and the target are both asked, without a password."""
    code, calls = run(connect_script(planned()), tmp_path)
    assert (0, ["curl", "pg_isready"]) == (code, [call.split()[0] for call in calls])
    assert expected == run(connect_script(planned()), tmp_path, **{program: f"exit {expected}"})[0]


@pytest.mark.parametrize("script", [client_script, install_script, connect_script])
def test_every_script_is_bash(script: object) -> None:
    """It parses."""
    text = script(planned())  # type: ignore[operator]
    subprocess.run(["bash", "-n", "-c", text], check=True)
