"""What a person or a test may turn to make the lab's RDS misbehave: refuse, throttle, break, run out.

Everything starts harmless. Counted knobs wear off by use. In `Site.lock` when read or turned.
"""

from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from pgcutover.lab.rds.keys import Call, Fault, Protocol

THROTTLED = {
    Protocol.QUERY: "Throttling",
    Protocol.EC2: "RequestLimitExceeded",
    Protocol.JSON: "ThrottlingException",
}
"""Each service has its own word for it, with one meaning.
https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html"""
ANY = "*"


class Counted(BaseModel):
    """Something that befalls the next `times` calls of an action; `*` is any action."""

    model_config = ConfigDict(extra="forbid")

    action: str
    times: int = Field(default=1, ge=1)


class Failure(Counted):
    """They answer with this error and do nothing."""

    code: str
    message: str = "made to fail by the lab"
    status: int = 400


class Loss(Counted):
    """They are carried out, and their answers lost."""

    how: Literal["status", "html", "cut", "hang"]
    """A 503 without a body, a page of HTML with 200, a connection that ends amid the answer, or `seconds` of silence
    before that end."""
    seconds: float = 0.0


class Stall(Counted):
    """They wait, and are carried out then: the client may have given up meanwhile."""

    seconds: float


T = TypeVar("T", bound=Counted)


class Knobs(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    check_keys: bool = True
    """False: any access key will do."""
    instance_quota: int = Field(default=40, ge=0)
    """https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html"""
    parameter_group_quota: int = Field(default=50, ge=0)
    snapshot_quota: int = Field(default=100, ge=0)
    fail_next: list[Failure] = Field(default_factory=list)
    lose_next: list[Loss] = Field(default_factory=list)
    stall_next: list[Stall] = Field(default_factory=list)
    throttle_calls: int = Field(default=0, ge=0)
    """That many calls of any kind are answered as the service answers who asks too often."""
    html_500_calls: int = Field(default=0, ge=0)
    """That many calls of any kind are answered with a page of HTML and status 500."""
    next_instance_ends_as: str | None = None
    """Status that the next instance reaches in place of available, such as `failed` or `incompatible-network`."""
    next_command_fails: str | None = None
    """What the next command on a machine of EC2 says on stderr when it ends badly."""

    def breaks(self) -> bool:
        """Whether this call is to be answered with HTML."""
        if self.html_500_calls:
            self.html_500_calls -= 1
            return True
        return False

    def fault(self, call: Call) -> Fault | None:
        """What this call is to be answered with in place of doing it."""
        if self.throttle_calls:
            self.throttle_calls -= 1
            return Fault(code=THROTTLED[call.protocol], message="Rate exceeded", status=400)
        failure = _take(self.fail_next, call)
        return None if failure is None else Fault(code=failure.code, message=failure.message, status=failure.status)

    def loss(self, call: Call) -> Loss | None:
        """How this call's answer gets lost."""
        return _take(self.lose_next, call)

    def stall_s(self, call: Call) -> float:
        """How long this call waits before anything happens."""
        stall = _take(self.stall_next, call)
        return 0.0 if stall is None else stall.seconds

    def take_ending(self) -> str | None:
        """The status the instance now being made shall end in; asked once for each."""
        ending, self.next_instance_ends_as = self.next_instance_ends_as, None
        return ending


def _take(armed: list[T], call: Call) -> T | None:
    """The first that concerns the call, used up by one."""
    for one in armed:
        if one.action in (call.action, ANY):
            one.times -= 1
            if one.times == 0:
                armed.remove(one)
            return one
    return None
