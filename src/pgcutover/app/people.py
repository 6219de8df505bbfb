"""What a person is asked, and who agreed to what: two named people for a production plan."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pgcutover.errors import NotConfirmedError
from pgcutover.planning.plan import Plan, confirmation_code


class OnFailure(StrEnum):
    """What a failure before the lift leads to."""

    RETURN = "return"
    STOP = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question for a person at a terminal; `word` is what they type to agree."""

    text: str
    word: str = "yes"
    wants_code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    agreed: bool
    code: str = ""
    """A colleague's NAME:CODE where one was given."""
    unasked: bool = False
    """Nobody read the question: --yes answered it."""


Ask = Callable[[Question], Confirmation]


def confirmed_by(plan: Plan, question: Question, ask: Ask, *, me: str) -> str:
    """Ask, and say in one phrase who agreed.

    Raises:
        NotConfirmedError: nobody did; or a production plan, and the code is missing, wrong or one's own.
    """
    production = plan.decisions.production
    answer = ask(Question(text=question.text, word=question.word, wants_code=production))
    if not answer.agreed:
        raise NotConfirmedError("not confirmed; nothing more was touched")
    me_said = f"{me} (--yes)" if answer.unasked else me
    if not production:
        return me_said
    name, _, code = answer.code.rpartition(":")
    if not name or code.upper() != confirmation_code(plan.digest, name):
        raise NotConfirmedError(
            "this is a production plan, and the colleague's code is missing or wrong",
            hint="A colleague runs pgcutover plan --code on their machine with this plan, and reads you NAME:CODE.",
        )
    if name == me:
        raise NotConfirmedError(
            f"the code is your own ({me})", hint="Two different people must look at a production plan."
        )
    return f"{me_said} and {name}"
