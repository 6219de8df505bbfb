"""Trying again what somebody else's bad moment interrupted: a connection that broke, an API that answered 503.

Safe because a step that failed is looked at before it is begun again: what arrived stays, what was done is adopted. It
must not hide a verdict: a fence that does not hold and a target that is not empty are not bad moments.
"""

from collections.abc import Callable
from typing import TypeVar

from pgcutover.edges.away import UnavailableError, away, locked_out
from pgcutover.edges.copytarget import UnfillableViewError
from pgcutover.errors import (
    AwsError,
    CopyError,
    FenceError,
    NotDoneError,
    PgcutoverError,
    QuotaError,
    SourceError,
    TargetError,
    TargetNotEmptyError,
    ToolError,
)
from pgcutover.steps.ports import Clock

T = TypeVar("T")

PAUSES_S = (5.0, 5.0)
"""A connection that broke is usually back a moment later."""
AWAY_PAUSES_S = (5.0, 10.0, 20.0, 30.0)
"""For a server that restarts or fails over; every try at an address that is silent takes its time as well. Longer would
keep the application closed for a database that may be gone."""
PASSING = (UnavailableError, CopyError, SourceError, TargetError, ToolError, AwsError, NotDoneError)
LASTING = (FenceError, TargetNotEmptyError, UnfillableViewError, QuotaError)


def needed_to_go_back(error: PgcutoverError) -> bool:
    """Whether going back at once would meet the same trouble: that needs Heroku just as much as going on does."""
    return isinstance(error, UnavailableError)


def patiently(
    act: Callable[[], T],
    clock: Clock,
    *,
    worth_it: Callable[[PgcutoverError], bool] = lambda _: True,
    renew: Callable[[], None] = lambda: None,
) -> T:
    """What `act` returns, tried a few times. Not again when `worth_it` says no: the error is then raised at once.

    `renew` is called before another try after a password was refused, so that it is read anew.
    """
    pauses, away_pauses = iter(PAUSES_S), iter(AWAY_PAUSES_S)
    while True:
        try:
            return act()
        except LASTING:
            raise
        except PASSING as error:
            pause_s = next(away_pauses if away(error) else pauses, None)
            if pause_s is None or not worth_it(error):
                raise
            clock.sleep(pause_s)
            if locked_out(error):
                renew()
