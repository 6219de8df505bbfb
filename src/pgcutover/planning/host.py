"""The migration host as it is decided: which machine, where it stands, what is installed on it, and by which scripts.

Pure. A `HostPlan` is stored nowhere: it is made anew from the plan of the move and from what AWS says, and what stands
is told by tags alone. No script holds a secret, for commands of Systems Manager are kept in the account's history.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Protocol

from pgcutover.errors import ConfigError, RefusedError
from pgcutover.facts.ec2 import HOST_ROLE, ROLE_TAG, HostSubnet, MachineSpec
from pgcutover.facts.rds import Tags
from pgcutover.planning.instance_classes import CLASSES

IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-"
"""Public parameter with the id of the newest Amazon Linux 2023.
https://docs.aws.amazon.com/linux/al2023/ug/ec2.html"""
FAMILIES = ("c7gn", "c6gn", "c6in", "c8gn", "c7g", "c7i")
"""Best first: those with a network of their own, Graviton before Intel, then what more Regions have. Above 5 Gbit/s
nothing comes from the Internet to less than 32 vCPUs, but what `burst` gives ends, and these sustain more than that.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-network-bandwidth.html"""
SMALL, USUAL, LARGE = "xlarge", "2xlarge", "4xlarge"
"""4, 8 and 16 vCPUs: a stream of the copy takes a core, and there are at most 8 of them."""
SMALL_TARGET_VCPUS = 4
LARGE_TARGET_VCPUS = 32
VOLUME_GB = 30
"""The definitions' dump, the journal and the exports of a rollback; rows never touch the disk on their way."""
ARM = re.compile(r"[a-z]+\d+g[a-z]*")
CLASS = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9-]+")
CLIENT_MAJORS = (15, 16, 17, 18)
"""Amazon Linux 2023 has postgresql15 to postgresql18 (A21).
https://github.com/amazonlinux/amazon-linux-2023/issues/1031"""
PYTHON = "python3.12"
HOME = "/opt/pgcutover"
HEROKU = "https://api.heroku.com"


class HostWishes(Protocol):
    """What a person chose: `[environments.NAME.host]` has these fields."""

    @property
    def size(self) -> str: ...
    @property
    def instance_profile(self) -> str: ...
    @property
    def subnet_id(self) -> str: ...
    @property
    def install(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTarget:
    """What the host is made for. `address` is '' while the target is not there, and `zone` with it."""

    instance: str
    instance_class: str
    major: int
    address: str
    port: int
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlan:
    """Everything decided about the machine."""

    region: str
    zone: str
    machine: MachineSpec
    client_major: int
    install: str
    target: HostTarget
    notes: tuple[str, ...]


def host_name(instance: str) -> str:
    """What all parts of a host are called; `instance` is the name that the target has, or would have."""
    return f"{instance}-host"


def architecture(instance_class: str) -> str:
    """By the family's name: Graviton's has a g after its number."""
    return "arm64" if ARM.fullmatch(instance_class.partition(".")[0]) else "x86_64"


def host_tags(tags: Tags) -> tuple[tuple[str, str], ...]:
    """The owner's tags, and that it is the host's."""
    return tuple(sorted({**tags, ROLE_TAG: HOST_ROLE}.items()))


def candidates(size: str, target_class: str) -> tuple[str, ...]:
    """The classes worth asking EC2 about, best first.

    Raises:
        ConfigError: `size` is neither auto nor a class.
    """
    if size != "auto":
        if not CLASS.fullmatch(size) or size.startswith("db."):
            raise ConfigError(f"host.size is {size!r}", hint="Write auto, or a class of EC2 such as c7gn.2xlarge.")
        return (size,)
    return tuple(f"{family}.{_step(target_class)}" for family in FAMILIES)


def _step(target_class: str) -> str:
    """The size by the target's; the usual one for a class that our table does not have."""
    facts = CLASSES.get(target_class)
    if facts is None:
        return USUAL
    if facts.vcpus <= SMALL_TARGET_VCPUS:
        return SMALL
    return LARGE if facts.vcpus >= LARGE_TARGET_VCPUS else USUAL


def plan_host(
    wishes: HostWishes,
    target: HostTarget,
    *,
    name: str,
    region: str,
    subnets: Sequence[HostSubnet],
    offered: Collection[tuple[str, str]],
    tags: Tags,
) -> HostPlan:
    """Decide; `name` is that of all its parts. `subnets` are those that it may stand in, `offered` the (class, zone)
    pairs that EC2 has.

    Raises:
        RefusedError: EC2 has no such class in these zones; or there is no client for the target.
    """
    subnet, instance_class = _place(wishes, target, subnets, offered)
    given = bool(wishes.instance_profile)
    machine = MachineSpec(
        name=name,
        image_parameter=f"{IMAGE}{architecture(instance_class)}",
        instance_class=instance_class,
        subnet_id=subnet.id,
        vpc_id=subnet.vpc_id,
        profile=wishes.instance_profile or name,
        profile_given=given,
        volume_gb=VOLUME_GB,
        tags=host_tags(tags),
    )
    return HostPlan(
        region=region,
        zone=subnet.zone,
        machine=machine,
        client_major=_client(target.major),
        install=wishes.install,
        target=target,
        notes=tuple(_notes(target, subnet, given=given)),
    )


def _place(
    wishes: HostWishes, target: HostTarget, subnets: Sequence[HostSubnet], offered: Collection[tuple[str, str]]
) -> tuple[HostSubnet, str]:
    """In the target's zone if that has any of the classes; a subnet with public addresses before one without."""
    nearest = sorted(subnets, key=lambda s: (s.zone != target.zone, not s.public_addresses, s.zone, s.id))
    asked = candidates(wishes.size, target.instance_class)
    for subnet in nearest:
        for instance_class in asked:
            if (instance_class, subnet.zone) in offered:
                return subnet, instance_class
    zones = ", ".join(sorted({s.zone for s in subnets})) or "none"
    raise RefusedError(
        f"EC2 offers none of {', '.join(asked)} in the zones of these subnets ({zones})",
        hint="Name another class in host.size, or another subnet in host.subnet_id.",
    )


def _client(major: int) -> int:
    """pg_dump may be no newer than the target and no older than the source, so it is the target's."""
    if major < CLIENT_MAJORS[0]:
        raise RefusedError(
            f"Amazon Linux 2023 has no client of PostgreSQL {major}",
            hint="Make a machine of your own with that client; docs/host.md says what it needs.",
        )
    return major


def _notes(target: HostTarget, subnet: HostSubnet, *, given: bool) -> list[str]:
    notes = []
    if not target.zone:
        notes.append(
            f"{target.instance} is not there yet, so its zone is not known: after pgcutover prepare the host can be "
            "put into the same one"
        )
    elif subnet.zone != target.zone:
        notes.append(f"it stands in {subnet.zone}, {target.instance} in {target.zone}: AWS bills what passes between")
    if not subnet.public_addresses:
        notes.append(f"{subnet.id} gives no public addresses: Heroku and SSM must be reached through a NAT gateway")
    if not given:
        notes.append(
            "its role may nothing but be logged in to: on the machine, sign in to AWS as yourself, or name a profile "
            "with the rights of docs/aws-rights.md in host.instance_profile"
        )
    if target.major not in CLIENT_MAJORS:
        notes.append(f"whether Amazon Linux 2023 has a client of PostgreSQL {target.major} was not known to us")
    return notes


def client_script(plan: HostPlan) -> str:
    """Installs pg_dump, pg_restore and psql; nc is for carrying the state over."""
    package = f"postgresql{plan.client_major}"
    return "\n".join(
        (
            "set -euo pipefail",
            # The first boot installs updates; two at once would wait for each other's lock.
            "cloud-init status --wait >/dev/null || true",
            # Another major's package has the same files.
            f"dnf install -y -q --allowerasing {package} nmap-ncat",
            "pg_restore --version >/dev/null",
            "psql --version >/dev/null",
            "pg_dump --version",
            f"pg_dump --version | grep -q ' {plan.client_major}\\.'",
        )
    )


def install_script(plan: HostPlan) -> str:
    """Installs pgcutover for every user of the machine; a newer version in the place of an older one."""
    return "\n".join(
        (
            "set -euo pipefail",
            f"dnf install -y -q {PYTHON} {PYTHON}-pip{' git' if 'git+' in plan.install else ''}",
            f"test -x {HOME}/bin/python || {PYTHON} -m venv {HOME}",
            f"{HOME}/bin/python -m pip install -q --disable-pip-version-check --upgrade -- {quote(plan.install)}",
            f"ln -sf {HOME}/bin/pgcutover /usr/local/bin/pgcutover",
            f"{HOME}/bin/pgcutover --version",
        )
    )


def connect_script(plan: HostPlan) -> str:
    """Reaches Heroku's API, and the target where there is one; no password is needed for either."""
    heroku = (f"curl -sS --max-time 20 --output /dev/null {HEROKU}/", f"echo '{HEROKU} can be reached'")
    target = plan.target
    asked = [f"pg_isready --timeout=10 --host={quote(target.address)} --port={target.port}"] if target.address else []
    return "\n".join(("set -euo pipefail", *heroku, *asked))
