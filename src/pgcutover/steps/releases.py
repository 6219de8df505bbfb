"""Every release in a listed app is either one that we made or a reason to stop.

Each change that makes a release is announced in the notes before it is sent and settled after it was seen, so that a
run that died in between recognises its own release, and anybody else's stops the run before its next move. A release is
ours when our account made it after the announcement; Heroku's text for it is shown, never relied on.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile

from pgcutover.errors import ForeignReleaseError, HerokuError, ReleaseFailedError
from pgcutover.facts.estate import Release
from pgcutover.steps.ports import Clock, Heroku, Notes

POLL_S = 1.0
# A release phase may take an hour. https://devcenter.heroku.com/articles/release-phase
RELEASE_LIMIT_S = 3900.0
# A change shows as a release at once; a minute without one means that there was nothing to change.
APPEAR_LIMIT_S = 60.0

ADDON_USER = "heroku-postgresql@addons.heroku.com"
"""Makes the releases in which Heroku changes a database's URL: after a rotation of its password, or a failover. They
hold no code, and what runs on the old database is stopped. https://devcenter.heroku.com/articles/app-webhooks-schema"""
ROTATED = "the old database's URL changed"

INTENDED, MADE, BASELINE = "release intended", "release made", "release baseline"
ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseWatch:
    """Tells our releases from others', for the apps of one run."""

    heroku: Heroku
    notes: Notes
    clock: Clock
    apps: Sequence[str]

    def start(self) -> None:
        """Take the newest release of each app as known; what comes later must be ours."""
        for app in self.apps:
            self.notes.note(BASELINE, {"app": app, "version": self._newest(app)})

    @contextmanager
    def making(self, app: str, change: str, *, must_succeed: bool = True) -> Iterator[None]:
        """Announce a change, let the block send it, and wait until its release has ended.

        `change` says in our words what is sent.

        Raises:
            ReleaseFailedError: the release, or its release phase, failed.
        """
        since = self._newest(app)
        number = len(self.notes.notes(INTENDED))
        self.notes.note(INTENDED, {"app": app, "number": number, "since": since, "change": change})
        yield
        release = self._settled(app, since, change)
        self._made(app, release, number)
        if release.status != "succeeded" and must_succeed:
            raise ReleaseFailedError(
                f"release v{release.version} of {app} ({release.description}) ended as {release.status}",
                hint=f"See its output: heroku releases:output v{release.version} -a {app}.",
            )

    def check(self) -> None:
        """Raise when an app has a release that this run did not make.

        Raises:
            ForeignReleaseError: names app, release, author and text.
        """
        for app in self.apps:
            for release in self._unknown(app):
                if not self._adopt(app, release):
                    raise ForeignReleaseError(
                        f"{app} has release v{release.version} ({release.description}) by {release.user}, "
                        "which this run did not make",
                        hint="Find out who released and why. To go on with it, add "
                        f"--accept-release {app}:v{release.version}; to go back, run pgcutover rollback.",
                    )

    def accept(self, app: str, version: int, *, by: str) -> None:
        """A person says that this release may stand."""
        self.notes.note(MADE, {"app": app, "version": version, "status": ACCEPTED, "by": by})

    def left_behind(self, app: str) -> bool:
        """Whether what runs is older than a release of our account's since the start, for that failed."""
        me, baseline = self.heroku.account_email(), self._baseline(app)
        newer = takewhile(lambda r: r.status != "succeeded", self.heroku.releases(app))
        return any(r.user == me and r.version > baseline for r in newer)

    def serves_later(self, app: str) -> bool:
        """Whether what runs was released since the start."""
        served = next((r.version for r in self.heroku.releases(app) if r.status == "succeeded"), 0)
        return served > self._baseline(app)

    def _unknown(self, app: str) -> tuple[Release, ...]:
        known = {int(str(n["version"])) for n in self.notes.notes(MADE) if n["app"] == app}
        baseline = self._baseline(app)
        return tuple(r for r in self.heroku.releases(app) if r.version > baseline and r.version not in known)

    def _baseline(self, app: str) -> int:
        return next((int(str(n["version"])) for n in self.notes.notes(BASELINE)[::-1] if n["app"] == app), 0)

    def _adopt(self, app: str, release: Release) -> bool:
        """Whether an announced change explains the release: the run died before it could note it.

        A change explains a release only if that came before the next change was announced. Heroku's own changes of
        the old database's URL need no explanation: the URL is read anew.
        """
        if release.user == ADDON_USER:
            self.notes.note(MADE, {"app": app, "version": release.version, "status": ROTATED})
            return True
        announced = [n for n in self.notes.notes(INTENDED) if n["app"] == app]
        settled = {n.get("number") for n in self.notes.notes(MADE)}
        ends = [*(int(str(n["since"])) for n in announced), release.version][1:]
        for note, end in zip(announced, ends, strict=False):
            unsettled = note["number"] not in settled
            within = int(str(note["since"])) < release.version <= end
            if unsettled and within and release.user == self.heroku.account_email():
                self._made(app, release, int(str(note["number"])))
                return True
        return False

    def _made(self, app: str, release: Release, number: int) -> None:
        self.notes.note(MADE, {"app": app, "version": release.version, "status": release.status, "number": number})

    def _newest(self, app: str) -> int:
        return max((r.version for r in self.heroku.releases(app, newest=1)), default=0)

    def quiet(self, app: str) -> None:
        """Wait until the newest release has ended: a run that died may have left one under way."""
        begun = self.clock.monotonic()
        while any(r.status == "pending" for r in self.heroku.releases(app, newest=1)):
            if self.clock.monotonic() - begun > RELEASE_LIMIT_S:
                raise ReleaseFailedError(f"the newest release of {app} is still pending after {RELEASE_LIMIT_S:.0f} s")
            self.clock.sleep(POLL_S)

    def _settled(self, app: str, since: int, change: str) -> Release:
        begun, me = self.clock.monotonic(), self.heroku.account_email()
        while True:
            ours = [r for r in self.heroku.releases(app) if r.version > since and r.user == me]
            waited_s = self.clock.monotonic() - begun
            if ours and ours[0].status in ("succeeded", "failed", "expired"):
                return ours[0]
            if not ours and waited_s > APPEAR_LIMIT_S:
                raise HerokuError(
                    f"{app}: no release for {change!r} appeared within {APPEAR_LIMIT_S:.0f} s",
                    hint=f"Look at heroku releases -a {app}, then run the same command again.",
                )
            if waited_s > RELEASE_LIMIT_S:
                raise ReleaseFailedError(
                    f"release v{ours[0].version} of {app} is still {ours[0].status} after {RELEASE_LIMIT_S:.0f} s"
                )
            self.clock.sleep(POLL_S)
