"""Systems Manager as far as the migration host asks: machines come online, and commands end well without being run.

moto has neither a list of managed machines nor commands that fail; its response class gets both while a lab runs. The
machines are records: nothing is installed anywhere, and no script of ours is proved by a lab.
"""

from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.models import ec2_backends
from moto.ssm.responses import SimpleSystemManagerResponse

from pgcutover.lab.rds.clock import Clock
from pgcutover.lab.rds.knobs import Knobs

ONLINE_S = 40.0
"""From its launch until the agent of a machine has signed in, in real life; the lab's speed divides it."""
INFORMATION = "describe_instance_information"
INVOCATION = "get_command_invocation"


def seat(knobs: Knobs, clock: Clock) -> None:
    """Let moto's Systems Manager answer as above."""
    theirs = SimpleSystemManagerResponse.get_command_invocation

    def describe_instance_information(self: SimpleSystemManagerResponse) -> ActionResult:
        wanted = {value for one in self._get_param("Filters", []) for value in one["Values"]}
        machines = [m for m in _machines(self.current_account, self.region) if m.id in wanted]
        rows = [{"InstanceId": m.id, "PingStatus": "Online"} for m in machines if _age_s(m) * clock.speed >= ONLINE_S]
        return ActionResult({"InstanceInformationList": rows})

    def get_command_invocation(self: SimpleSystemManagerResponse) -> ActionResult:
        answer: Any = theirs(self)
        failure, knobs.next_command_fails = knobs.next_command_fails, None
        if failure is None:
            return ActionResult({**answer.result, "StandardOutputContent": "imitated by the lab: nothing ran\n"})
        failed = {"Status": "Failed", "ResponseCode": 1, "StandardErrorContent": failure}
        return ActionResult({**answer.result, **failed})

    setattr(SimpleSystemManagerResponse, INFORMATION, describe_instance_information)
    setattr(SimpleSystemManagerResponse, INVOCATION, get_command_invocation)
    _seated[INVOCATION] = theirs


def unseat() -> None:
    """moto is as it was; twice is not an error."""
    if _seated:
        setattr(SimpleSystemManagerResponse, INVOCATION, _seated.pop(INVOCATION))
        delattr(SimpleSystemManagerResponse, INFORMATION)


_seated: dict[str, Any] = {}


def _machines(account: str, region: str) -> list[Any]:
    reservations = ec2_backends[account][region].all_reservations()
    return [m for reservation in reservations for m in reservation.instances if m.state == "running"]


def _age_s(machine: Any) -> float:
    age: float = (utcnow() - machine.launch_time).total_seconds()
    return age
