"""The migration host, part by part: what it takes to have one next to the target, and to have none again.

Each part is asked for first, then made, then asked for again, so that the same command goes on after any crash. There
is no journal: what stands is told by tags. Nothing of somebody else's is touched, and nothing lets anybody in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pgcutover.errors import NotDoneError
from pgcutover.facts.ec2 import HostSubnet, Machine, MachineSpec, Ran, TargetPlace
from pgcutover.facts.host import HostPart, HostState, PlannedPart
from pgcutover.facts.rds import Tags
from pgcutover.planning.host import HostPlan, client_script, connect_script, install_script
from pgcutover.steps.ports import Clock

COST = (
    "its price by the hour is not known here (https://aws.amazon.com/ec2/pricing/on-demand/); AWS bills it until "
    "pgcutover host down"
)
PORT = 7432
"""On both machines' loopback, for carrying the state over; no server of PostgreSQL's listens there."""
Tell = Callable[[str], None]


class HostGate(Protocol):
    """See edges/aws_host.py."""

    def machines(self, tags: Tags) -> tuple[Machine, ...]: ...
    def parts(self, name: str, tags: Tags) -> tuple[str, ...]: ...
    def others(self, name: str, tags: Tags) -> tuple[str, ...]: ...
    def has_profile(self, name: str, tags: Tags) -> bool: ...
    def has_group(self, name: str, vpc_id: str, tags: Tags) -> bool: ...
    def target_place(self, identifier: str) -> TargetPlace | None: ...
    def subnets(self, ids: Sequence[str]) -> tuple[HostSubnet, ...]: ...
    def offered(self, classes: Sequence[str]) -> frozenset[tuple[str, str]]: ...
    def ensure_profile(self, name: str, tags: Tags) -> None: ...
    def ensure_group(self, name: str, vpc_id: str, tags: Tags) -> None: ...
    def launch(self, spec: MachineSpec) -> None: ...
    def wait_running(self, tags: Tags) -> None: ...
    def online(self, machine: str) -> bool: ...
    def wait_online(self, machine: str) -> None: ...
    def run(self, machine: str, script: str) -> Ran: ...
    def terminate(self, tags: Tags) -> tuple[str, ...]: ...
    def remove_groups(self, tags: Tags) -> tuple[str, ...]: ...
    def remove_profile(self, name: str, tags: Tags) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    planned: PlannedPart
    do: Callable[[], str]
    """Returns what is worth telling."""
    holds: Callable[[], bool] | None
    """None for a command on the machine: its own end says whether it was done."""


def host_up(gate: HostGate, plan: HostPlan, clock: Clock, tell: Tell) -> tuple[HostPart, ...]:
    """Make what is missing, in order.

    Raises:
        RefusedError: a name is somebody else's.
        NotDoneError: a command on the machine failed, or a part does not show.
        RightsError, AwsError and its kin.
    """
    return tuple(_made(part, clock, tell) for part in _parts(gate, plan))


def planned_parts(gate: HostGate, plan: HostPlan) -> tuple[PlannedPart, ...]:
    return tuple(part.planned for part in _parts(gate, plan))


def host_down(gate: HostGate, name: str, tags: Tags, tell: Tell) -> tuple[str, ...]:
    """Remove the machine, then what it stood in; returns what was removed, in words. Twice is not an error."""
    tell("ending the machine")
    removed = [f"machine {machine}" for machine in gate.terminate(tags)]
    tell("removing its security group")
    removed += [f"security group {group}" for group in gate.remove_groups(tags)]
    tell("removing its profile and role")
    return (*removed, *gate.remove_profile(name, tags))


def host_state(gate: HostGate, name: str, tags: Tags, *, environment: str, region: str) -> HostState:
    """What stands, by tags alone."""
    machines = gate.machines(tags)
    besides = gate.parts(name, tags)
    if not machines:
        return HostState(environment=environment, region=region, besides=besides)
    machine, more = machines[0], machines[1:]
    return HostState(
        environment=environment,
        region=region,
        machine=machine.id,
        instance_class=machine.instance_class,
        zone=machine.zone,
        state=machine.state,
        online=gate.online(machine.id),
        besides=(*(f"another machine, {other.id}" for other in more), *besides),
        login=login(machine.id, region),
        carry=carry(machine.id, region, environment),
        notes=(COST,),
    )


def login(machine: str, region: str) -> str:
    return f"aws ssm start-session --target {machine} --region {region}"


def carry(machine: str, region: str, environment: str) -> tuple[str, ...]:
    """The state holds secrets: it goes through the session's tunnel, never through a terminal that may be recorded."""
    tunnel = f"--document-name AWS-StartPortForwardingSession --parameters portNumber={PORT},localPortNumber={PORT}"
    return (
        f"there: umask 077; nc -l 127.0.0.1 {PORT} > state.export",
        f"here: {login(machine, region)} {tunnel}",
        f"here, in another terminal: pgcutover status --env {environment} --export state.export",
        f"here: nc 127.0.0.1 {PORT} < state.export; end it with Ctrl-C when it has arrived",
        f"there: pgcutover status --env {environment} --import state.export",
    )


def _made(part: _Part, clock: Clock, tell: Tell) -> HostPart:
    planned, begun = part.planned, clock.monotonic()
    found = part.holds is not None and part.holds()
    said = ""
    if not found:
        tell(planned.title)
        said = part.do()
        if part.holds is not None and not part.holds():
            raise NotDoneError(f"host: {planned.title}: not found afterwards", hint="Run the same command again.")
    seconds = round(clock.monotonic() - begun, 1)
    return HostPart(name=planned.name, title=planned.title, found=found, seconds=seconds, said=said)


def _parts(gate: HostGate, plan: HostPlan) -> tuple[_Part, ...]:
    spec, tags = plan.machine, dict(plan.machine.tags)

    def machine() -> str:
        found = gate.machines(tags)
        if not found:
            raise NotDoneError("the host's machine is gone", hint="Run the same command again: it makes another.")
        return found[0].id

    def running() -> bool:
        found = gate.machines(tags)
        return bool(found) and found[0].state == "running"

    return (
        *(() if spec.profile_given else (_profile(gate, spec),)),
        _part(
            "network",
            f"security group {spec.name} without an inbound rule",
            ("ec2:CreateSecurityGroup",),
            do=lambda: gate.ensure_group(spec.name, spec.vpc_id, tags),
            holds=lambda: gate.has_group(spec.name, spec.vpc_id, tags),
        ),
        _part(
            "create",
            f"machine {spec.name}, {spec.instance_class} in {plan.zone}: encrypted gp3 disk, IMDSv2, no SSH key",
            (f"ssm:GetParameter {spec.image_parameter}", f"ec2:RunInstances with profile {spec.profile}"),
            do=lambda: gate.launch(spec),
            holds=lambda: bool(gate.machines(tags)),
        ),
        _part("running", "the machine runs", (), do=lambda: gate.wait_running(tags), holds=running),
        _part(
            "online",
            "Systems Manager reaches it",
            ("ssm:DescribeInstanceInformation",),
            do=lambda: gate.wait_online(machine()),
            holds=lambda: gate.online(machine()),
        ),
        _command(gate, machine, "client", f"client programs of PostgreSQL {plan.client_major}", client_script(plan)),
        _command(gate, machine, "pgcutover", f"pip install {plan.install}", install_script(plan)),
        _command(gate, machine, "connect", f"reaches Heroku{_and_target(plan)}", connect_script(plan)),
    )


def _and_target(plan: HostPlan) -> str:
    target = plan.target
    return f" and {target.instance}" if target.address else f"; {target.instance} is not there yet and was not tried"


def _profile(gate: HostGate, spec: MachineSpec) -> _Part:
    tags = dict(spec.tags)
    return _part(
        "profile",
        f"role and instance profile {spec.name} with AmazonSSMManagedInstanceCore alone",
        ("iam:CreateRole", "iam:AttachRolePolicy", "iam:CreateInstanceProfile", "iam:AddRoleToInstanceProfile"),
        do=lambda: gate.ensure_profile(spec.name, tags),
        holds=lambda: gate.has_profile(spec.name, tags),
    )


def _part(name: str, title: str, calls: tuple[str, ...], *, do: Callable[[], None], holds: Callable[[], bool]) -> _Part:
    def doing() -> str:
        do()
        return ""

    return _Part(planned=PlannedPart(name=name, title=title, calls=calls), do=doing, holds=holds)


def _command(gate: HostGate, machine: Callable[[], str], name: str, title: str, script: str) -> _Part:
    """A script that may run again, so that nothing is asked before."""

    def run() -> str:
        ran = gate.run(machine(), script)
        if not ran.done:
            raise NotDoneError(
                f"host: {title}: failed on {machine()} with code {ran.code}: {_last_line(ran.said)}", hint=_HINTS[name]
            )
        return _last_line(ran.said)

    calls = ("ssm:SendCommand AWS-RunShellScript", "ssm:GetCommandInvocation")
    return _Part(planned=PlannedPart(name=name, title=title, calls=calls, script=script), do=run, holds=None)


def _last_line(said: str) -> str:
    return said.splitlines()[-1].strip() if said else "nothing was said"


_HINTS = {
    "client": "Log in and look (pgcutover host status says how), then run the same command again.",
    "pgcutover": "host.install must be something that pip finds from there. Then run the same command again.",
    "connect": "Its subnet must lead to the Internet, and the target's security group must let it in "
    "(target.allowed_cidrs). Then run the same command again.",
}
