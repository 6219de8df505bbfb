"""Every place where the lab imitates what nobody could check is one that a probe of real accounts answers for."""

from pgcutover.app.probing.heroku import LOOKS
from pgcutover.app.probing.rds import BORN, GROWN
from pgcutover.lab.heroku.rules import ASSUMPTIONS as HEROKU_ASSUMPTIONS
from pgcutover.lab.rds.assumptions import ASSUMPTIONS as AWS_ASSUMPTIONS
from pgcutover.planning.predicted_aws import AWS
from pgcutover.planning.predicted_heroku import HEROKU

QUESTIONS = {"H6", "H7", "H8", "A4", "A5", "A6", "A7"}
"""Unsettled, and nothing that a lab could assume."""


def test_no_assumption_of_the_lab_is_forgotten() -> None:
    """A number of the lab's is a prediction; a prediction is a number of the lab's, or an unsettled question."""
    predicted = {prediction.number for prediction in (*HEROKU, *AWS)}
    assert {*HEROKU_ASSUMPTIONS, *AWS_ASSUMPTIONS} == predicted - QUESTIONS


def test_each_prediction_that_can_be_looked_at_has_its_look() -> None:
    """And no look is without a prediction."""
    assert {p.number for p in HEROKU if not p.unseen} == set(LOOKS)
    assert {p.number for p in AWS if not p.unseen} == {*BORN, *GROWN}
