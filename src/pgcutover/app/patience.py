"""Trying again what somebody else's bad moment interrupted: a connection that broke, an API that answered 503.

Safe because a step that failed is looked at before it is begun again: what arrived stays, what was done is adopted. It
must not hide a verdict: a fence that does not hold and a target that is not empty are not bad moments.
"""

from collections.abc import Callable
from typing import TypeVar

from pgcutover.edges.heroku_http import UnavailableError
from pgcutover.errors import CopyError, FenceError, SourceError, TargetError, TargetNotEmptyError
from pgcutover.steps.ports import Clock

T = TypeVar("T")

TRIES = 3
PAUSE_S = 5.0
"""A connection that broke is usually back a moment later."""
PASSING = (UnavailableError, CopyError, SourceError, TargetError)
LASTING = (FenceError, TargetNotEmptyError)


def patiently(act: Callable[[], T], clock: Clock, *, worth_it: Callable[[], bool] = lambda: True) -> T:
    """What `act` returns, tried a few times. Not again when `worth_it` says no: the error is then raised at once."""
    for tries_left in range(TRIES - 1, -1, -1):
        try:
            return act()
        except LASTING:
            raise
        except PASSING:
            if not tries_left or not worth_it():
                raise
            clock.sleep(PAUSE_S)
    raise AssertionError("the last try returns or raises")
