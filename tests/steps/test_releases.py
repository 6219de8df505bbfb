"""A release is ours when we announced it; anybody else's stops the run before its next move."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from pgcutover.errors import ForeignReleaseError, HerokuError, ReleaseFailedError
from pgcutover.facts.estate import Release
from pgcutover.running.step import Json
from pgcutover.steps.releases import ReleaseWatch

ME, COLLEAGUE = "me@acme.example", "colleague@acme.example"


@dataclass
class Releases:
    """Heroku's list of releases, as a port."""

    made: list[Release] = field(default_factory=list)

    def account_email(self) -> str:
        return ME

    def releases(self, app: str, *, newest: int = 50) -> tuple[Release, ...]:
        return tuple(sorted(self.made, key=lambda r: -r.version)[:newest])

    def add(self, user: str, status: str = "succeeded", description: str = "Set X config vars") -> int:
        version = len(self.made) + 1
        at = datetime(2026, 1, 1, tzinfo=UTC)
        self.made.append(
            Release(version=version, status=status, description=description, user=user, current=True, created_at=at)
        )
        return version


@dataclass
class Notes:
    kept: list[tuple[str, Mapping[str, Json]]] = field(default_factory=list)

    def note(self, kind: str, payload: Mapping[str, Json]) -> None:
        self.kept.append((kind, payload))

    def notes(self, kind: str) -> tuple[Mapping[str, Json], ...]:
        return tuple(payload for k, payload in self.kept if k == kind)


@dataclass
class Clock:
    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def watch_on(heroku: Releases, notes: Notes) -> ReleaseWatch:
    return ReleaseWatch(heroku=heroku, notes=notes, clock=Clock(), apps=("acme",))  # type: ignore[arg-type]


def test_our_own_release_does_not_stop_us() -> None:
    """A change made within `making` is known afterwards."""
    heroku, notes = Releases(), Notes()
    heroku.add(COLLEAGUE)
    watch = watch_on(heroku, notes)
    watch.start()
    with watch.making("acme", "set X"):
        heroku.add(ME)
    watch.check()


def test_a_foreign_release_stops_the_run_until_a_person_accepts_it() -> None:
    """A colleague's deploy is an error that names app, version and author; accepted by name it is none."""
    heroku, notes = Releases(), Notes()
    watch = watch_on(heroku, notes)
    watch.start()
    version = heroku.add(COLLEAGUE, description="Deploy 1234abcd")
    with pytest.raises(ForeignReleaseError, match=rf"acme has release v{version} .*{COLLEAGUE}"):
        watch.check()
    watch.accept("acme", version, by=ME)
    watch.check()


def test_a_release_of_ours_that_nobody_noted_is_recognised_once() -> None:
    """A run that died between sending and noting knows its release again, but not a second one."""
    heroku, notes = Releases(), Notes()
    watch = watch_on(heroku, notes)
    watch.start()

    def die_after_sending() -> None:
        with watch.making("acme", "set X"):
            heroku.add(ME)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die_after_sending()
    watch.check()
    heroku.add(ME)
    with pytest.raises(ForeignReleaseError):
        watch.check()


def test_an_announcement_that_was_never_sent_explains_no_later_release() -> None:
    """A run that died before sending, resumed and sent once, does not take a second release for its own."""
    heroku, notes = Releases(), Notes()
    watch = watch_on(heroku, notes)
    watch.start()

    def die_before_sending() -> None:
        with watch.making("acme", "set X"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die_before_sending()
    with watch.making("acme", "set X"):
        heroku.add(ME)
    watch.check()
    heroku.add(ME)
    with pytest.raises(ForeignReleaseError):
        watch.check()


@pytest.mark.parametrize("status", ["failed", "expired"])
def test_a_failed_release_is_an_error_when_it_must_succeed(status: str) -> None:
    """A failing release phase stops the switch; on the way back it is noted and passed over."""
    heroku, notes = Releases(), Notes()
    watch = watch_on(heroku, notes)
    watch.start()
    with pytest.raises(ReleaseFailedError, match=status), watch.making("acme", "set X"):
        heroku.add(ME, status=status)
    with watch.making("acme", "unset X", must_succeed=False):
        heroku.add(ME, status=status)
    watch.check()


def test_a_release_that_never_appears_or_never_ends_is_an_error() -> None:
    """Waiting has a limit, and what is not known to have succeeded has not."""
    heroku, notes = Releases(), Notes()
    watch = watch_on(heroku, notes)
    with pytest.raises(HerokuError, match="no release"), watch.making("acme", "set X"):
        pass
    with pytest.raises(ReleaseFailedError, match="still pending"), watch.making("acme", "set X"):
        heroku.add(ME, status="pending")
