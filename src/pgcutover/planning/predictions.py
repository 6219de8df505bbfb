"""What pgcutover takes for granted about Heroku and RDS and nobody could check, each with its number; and verdicts.

The numbers are those that the code carries where it rests on one (H… and A…: unsettled questions about Heroku and AWS;
L…: what the lab adds). Pure: `expects` is what a look answers when it is as predicted, word by word; what is compared
is that sentence and nothing else. Invariant: what could not be looked at never counts as right.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Verdict(StrEnum):
    AS_PREDICTED = "as predicted"
    OTHERWISE = "otherwise"
    NOT_LOOKED = "could not look"
    """It can be seen, and this time it was not: never a pass."""
    UNSEEN = "cannot be seen"
    """By no probe of this kind; why is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One assumption. With `how` and `expects` it can be looked at; with `unseen` it cannot, for that reason."""

    number: str
    says: str
    how: str = ""
    """The calls that are made, for a person who decides whether to let them be made."""
    expects: str = ""
    unseen: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a look found: `answer` in the words of `Prediction.expects`, `detail` what else is worth knowing."""

    answer: str
    detail: str = ""


class Finding(BaseModel):
    """A prediction against what was seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: str
    says: str
    expects: str
    seen: str
    detail: str
    verdict: Verdict


def judged(prediction: Prediction, seen: Seen | None, *, trouble: str = "") -> Finding:
    """`seen` None: nobody looked, because of `trouble`, or because nobody can."""
    if prediction.unseen:
        verdict, answer, detail = Verdict.UNSEEN, "", prediction.unseen
    elif seen is None:
        verdict, answer, detail = Verdict.NOT_LOOKED, "", trouble or "the probe did not get that far"
    else:
        verdict = Verdict.AS_PREDICTED if seen.answer == prediction.expects else Verdict.OTHERWISE
        answer, detail = seen.answer, seen.detail
    return Finding(
        number=prediction.number,
        says=prediction.says,
        expects=prediction.expects,
        seen=answer,
        detail=detail,
        verdict=verdict,
    )


def numbers_of(findings: Iterable[Finding], verdict: Verdict) -> tuple[str, ...]:
    return tuple(finding.number for finding in findings if finding.verdict is verdict)
