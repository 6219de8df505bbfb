"""What a person or a test may turn to make the lab's RDS misbehave: refuse, throttle, break, run out.

Everything starts harmless. Counted knobs wear off by use. In `Site.lock` when read or turned.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pgcutover.lab.rds.keys import Call, Fault

THROTTLED = Fault(code="Throttling", message="Rate exceeded", status=400)


class Failure(BaseModel):
    """The next `times` calls of an action answer with this error and do nothing."""

    model_config = ConfigDict(extra="forbid")

    action: str
    code: str
    message: str = "made to fail by the lab"
    status: int = 400
    times: int = Field(default=1, ge=1)


class Loss(BaseModel):
    """The next `times` calls of an action are carried out, and their answers lost."""

    model_config = ConfigDict(extra="forbid")

    action: str
    how: Literal["status", "html", "cut", "hang"]
    """A 503 without a body, a page of HTML with 200, a connection that ends amid the answer, or `seconds` of silence
    before that end."""
    seconds: float = 0.0
    times: int = Field(default=1, ge=1)


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
    throttle_calls: int = Field(default=0, ge=0)
    """That many calls of any kind are answered with Throttling."""
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
            return THROTTLED
        for failure in self.fail_next:
            if failure.action == call.action:
                failure.times -= 1
                if failure.times == 0:
                    self.fail_next.remove(failure)
                return Fault(code=failure.code, message=failure.message, status=failure.status)
        return None

    def loss(self, call: Call) -> Loss | None:
        """How this call's answer gets lost."""
        for loss in self.lose_next:
            if loss.action == call.action:
                loss.times -= 1
                if loss.times == 0:
                    self.lose_next.remove(loss)
                return loss
        return None

    def take_ending(self) -> str | None:
        """The status the instance now being made shall end in; asked once for each."""
        ending, self.next_instance_ends_as = self.next_instance_ends_as, None
        return ending
