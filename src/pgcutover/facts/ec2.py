"""Machines on EC2, as far as the migration host asks: what stands there, and where this very process runs."""

from dataclasses import dataclass

from pgcutover.facts.rds import Network

ROLE_TAG = "pgcutover:role"
HOST_ROLE = "host"
"""What the migration host's parts bear besides the owner's tag, so that nothing of the target is taken for one."""

ALIVE = ("pending", "running", "stopping", "stopped")
"""States of a machine that can be used, now or after a start.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """An EC2 instance as the API describes it."""

    id: str
    state: str
    instance_class: str
    zone: str
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpec:
    """What a machine shall be when it is made."""

    name: str
    """Also its security group's, and that of the profile where pgcutover makes it."""
    image_parameter: str
    instance_class: str
    subnet_id: str
    vpc_id: str
    profile: str
    """Name or ARN of an instance profile."""
    profile_given: bool
    volume_gb: int
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSubnet:
    """A subnet that a host could stand in."""

    id: str
    zone: str
    vpc_id: str
    public_addresses: bool
    """Whether a machine gets a public address there; without one it needs a NAT gateway to reach Heroku and SSM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPlace:
    """Where an RDS instance stands; `host` is '' until it has an endpoint."""

    host: str
    port: int
    zone: str
    network: Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a command ended on the machine. `said` is the end of what it printed."""

    done: bool
    code: int
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Where this process runs. `region` is '' outside EC2, and where it could not be told; `unknown` says why not."""

    region: str = ""
    unknown: str = ""
