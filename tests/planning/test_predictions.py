"""A prediction is right word by word or it is not; and what nobody looked at is never right."""

import pytest

from pgcutover.planning.predicted_aws import AWS
from pgcutover.planning.predicted_heroku import HEROKU
from pgcutover.planning.predictions import Prediction, Seen, Verdict, judged, numbers_of
from pgcutover.planning.throwaway_estate import ours, replica_of

EVERY = (*HEROKU, *AWS)
SEEABLE = Prediction(number="X1", says="It is so.", how="GET /it", expects="it is")
HIDDEN = Prediction(number="X2", says="It is so.", unseen="it costs too much")


@pytest.mark.parametrize(
    ("prediction", "seen", "verdict"),
    [
        (SEEABLE, Seen(answer="it is"), Verdict.AS_PREDICTED),
        (SEEABLE, Seen(answer="it is", detail="after 3 s"), Verdict.AS_PREDICTED),
        (SEEABLE, Seen(answer="It is"), Verdict.OTHERWISE),
        (SEEABLE, Seen(answer=""), Verdict.OTHERWISE),
        (SEEABLE, None, Verdict.NOT_LOOKED),
        (HIDDEN, None, Verdict.UNSEEN),
    ],
)
def test_verdicts(prediction: Prediction, seen: Seen | None, verdict: Verdict) -> None:
    """Details do not count; nothing seen is not right."""
    finding = judged(prediction, seen, trouble="the wire was cut")
    assert verdict == finding.verdict
    assert (prediction.number,) == numbers_of([finding], verdict)
    assert ("the wire was cut" == finding.detail) == (verdict is Verdict.NOT_LOOKED)


@pytest.mark.parametrize("prediction", EVERY, ids=lambda p: p.number)
def test_each_says_how_it_is_looked_at_or_why_it_cannot_be(prediction: Prediction) -> None:
    """One or the other, and with a look what it expects."""
    assert prediction.says.endswith(".")
    assert bool(prediction.unseen) != bool(prediction.how)
    assert bool(prediction.how) == bool(prediction.expects)


def test_no_number_is_given_twice() -> None:
    """A verdict is about one thing."""
    numbers = [prediction.number for prediction in EVERY]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("pgcutover-probe-0123abcd", True),
        (replica_of("pgcutover-probe-0123abcd"), True),
        ("pgcutover-probe-0123abcde", False),
        ("pgcutover-probe-", False),
        ("my-pgcutover-probe-0123abcd", False),
        ("pgcutover-probe-0123abcd\n", False),
        ("acme-api", False),
    ],
)
def test_only_names_that_a_probe_draws_are_its_own(name: str, known: bool) -> None:
    """What may be removed is known by its whole name."""
    assert known == ours(name)
