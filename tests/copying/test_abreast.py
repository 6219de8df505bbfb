"""Independent acts side by side: all of them, or the first error and nothing left running."""

import threading

import pytest

from pgcutover.copying import abreast as module
from pgcutover.copying.abreast import abreast
from pgcutover.errors import TargetError


def test_everything_is_done() -> None:
    """Every act once, as many at once as there may be."""
    together, done = threading.Barrier(2, timeout=60), []

    def act(number: int) -> None:
        together.wait()
        done.append(number)

    abreast([lambda n=n: act(n) for n in range(4)], sessions=2, abandon=lambda: pytest.fail("nothing is to be ended"))
    assert [0, 1, 2, 3] == sorted(done)


def test_the_first_error_ends_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """No act begins after it, what does not end by itself is ended, and only then it is raised."""
    monkeypatch.setattr(module, "AGAIN_S", 0.05)
    begun, ended, later = threading.Event(), threading.Event(), []

    def hanging() -> None:
        begun.set()
        assert ended.wait(10)
        raise TargetError("terminated")

    def failing() -> None:
        assert begun.wait(10)
        raise TargetError("the first")

    def following() -> None:
        assert ended.wait(10)
        later.append(1)

    with pytest.raises(TargetError, match="the first"):
        abreast([hanging, failing, *[following] * 20], sessions=2, abandon=ended.set)
    assert (True, True) == (ended.is_set(), len(later) <= 1)


def test_that_nothing_could_be_ended_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the first error; what runs is waited for."""
    monkeypatch.setattr(module, "AGAIN_S", 0.05)
    begun, ended = threading.Event(), threading.Event()

    def hanging() -> None:
        begun.set()
        assert ended.wait(10)

    def failing() -> None:
        assert begun.wait(10)
        raise TargetError("the first")

    def abandon() -> None:
        ended.set()
        raise TargetError("no connection")

    with pytest.raises(TargetError) as raised:
        abreast([hanging, failing], sessions=2, abandon=abandon)
    assert ["ending the other sessions failed too: no connection"] == raised.value.__notes__
