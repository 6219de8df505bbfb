"""What is tried again, how often, and after how long."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from pgcutover.app.patience import AWAY_PAUSES_S, PAUSES_S, needed_to_go_back, patiently
from pgcutover.edges.heroku_http import NoAnswerError
from pgcutover.edges.postgres import Server
from pgcutover.errors import (
    AwsError,
    CopyError,
    FenceError,
    NotDoneError,
    PgcutoverError,
    QuotaError,
    RunnerConflictError,
    SmokeError,
    TargetNotEmptyError,
    ToolError,
)
from pgcutover.facts.names import Dsn, Secret
from pgcutover.lab.clusters import Cluster


@dataclass
class Clock:
    """Time that passes at once."""

    slept: list[float] = field(default_factory=list)

    @staticmethod
    def monotonic() -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def failing(*errors: PgcutoverError) -> Callable[[], str]:
    """Raise these in turn, then answer."""
    left: Iterator[PgcutoverError] = iter(errors)

    def act() -> str:
        for error in left:
            raise error
        return "done"

    return act


@pytest.mark.parametrize("kind", [CopyError, ToolError, AwsError, NotDoneError])
def test_a_bad_moment_is_tried_again(kind: type[PgcutoverError]) -> None:
    """Twice; the third failure is told."""
    clock = Clock()
    assert "done" == patiently(failing(kind("a"), kind("b")), clock)
    assert [*PAUSES_S] == clock.slept
    with pytest.raises(kind, match="c"):
        patiently(failing(kind("a"), kind("b"), kind("c")), Clock())


@pytest.mark.parametrize("kind", [FenceError, TargetNotEmptyError, QuotaError, SmokeError, RunnerConflictError])
def test_a_verdict_is_not(kind: type[PgcutoverError]) -> None:
    """It would be the same again."""
    clock = Clock()
    with pytest.raises(kind):
        patiently(failing(kind("no")), clock)
    assert [] == clock.slept


def test_nor_what_is_not_worth_it() -> None:
    """Before there is anything to insist on, everything goes back at once."""
    with pytest.raises(CopyError):
        patiently(failing(CopyError("a")), Clock(), worth_it=lambda _: False)


def test_heroku_is_waited_for_even_where_nothing_is_insisted_on() -> None:
    """Going back needs it just as much: a broken answer of its own does not end a move before its copy."""
    clock = Clock()
    assert "done" == patiently(failing(NoAnswerError("silent")), clock, worth_it=needed_to_go_back)
    assert [AWAY_PAUSES_S[0]] == clock.slept
    with pytest.raises(CopyError):
        patiently(failing(CopyError("a")), Clock(), worth_it=needed_to_go_back)


def asked(port: int) -> PgcutoverError:
    """What asking a server there ends in."""
    dsn = Dsn(host="127.0.0.1", port=port, user="nobody", password=Secret("x"), database="postgres")
    server = Server(dsn=dsn.with_options(sslmode="disable"), side="target")
    with pytest.raises(PgcutoverError) as caught, server.session("test"):
        pass
    return caught.value


def test_a_server_that_is_away_is_waited_for() -> None:
    """Longer and longer, as a restart or a failover takes; Heroku's silence likewise."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        away = asked(bound.getsockname()[1])
    clock = Clock()
    assert "done" == patiently(failing(*[away] * len(AWAY_PAUSES_S)), clock)
    assert [*AWAY_PAUSES_S] == clock.slept
    with pytest.raises(NoAnswerError):
        patiently(failing(*[NoAnswerError("silent")] * (1 + len(AWAY_PAUSES_S))), Clock())


def test_a_refused_password_is_read_anew(cluster16: Cluster) -> None:
    """Heroku may have rotated it: before the next try everything that knows a password is let go of."""
    refused, renewed, clock = asked(cluster16.port), [], Clock()
    assert "done" == patiently(failing(refused), clock, renew=lambda: renewed.append(True))
    assert ([True], [PAUSES_S[0]]) == (renewed, clock.slept)
    assert "done" == patiently(failing(CopyError("another")), Clock(), renew=lambda: renewed.append(True))
    assert [True] == renewed
