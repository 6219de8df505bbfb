"""Releases: each change of config or attachments makes one; each takes its time, may fail, and restarts the dynos.

One thread per app carries them out in the order of their versions (assumption L4). A failed release changes nothing
that runs: dynos stay on the release that served before, though the API shows the new config.
https://devcenter.heroku.com/articles/release-phase
"""

import threading
from dataclasses import replace
from queue import SimpleQueue

from pgcutover.lab.heroku.dynos import Dynos
from pgcutover.lab.heroku.logs import Logplex
from pgcutover.lab.heroku.pace import Pace
from pgcutover.lab.heroku.records import Release, ReleaseStatus, now
from pgcutover.lab.heroku.refusals import Refusal
from pgcutover.lab.heroku.slots import OneOffSlot
from pgcutover.lab.heroku.state import Estate

HANG_LOOK_S = 0.2
FAILING_COMMAND = "echo 'release command failed: the lab was told so' >&2; exit 1"


class Releases:
    """Makes releases and carries them out. Call `make` without holding any lock but the estate's."""

    def __init__(self, estate: Estate, dynos: Dynos, logs: Logplex, pace: Pace) -> None:
        self._estate, self._dynos, self._logs, self._pace = estate, dynos, logs, pace
        self._queues: dict[str, SimpleQueue[Release | None]] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._gone: set[str] = set()
        self._closing = threading.Event()

    def make(self, app: str, description: str, *, runs_command: bool = True, by: str | None = None) -> Release:
        """A pending release of the app as it is now; returns before anything of it happened."""
        release = self._estate.add_release(app, description, runs_command=runs_command, by=by)
        user = by or self._estate.user_email
        self._logs.write(app, "api", f"{description} by user {user}", source="app")
        self._logs.write(app, "api", f"Release v{release.version} created by user {user}", source="app")
        self._queue(app).put(release)
        return release

    def roll_back(self, app: str, identity: str) -> Release:
        """A new release with the config of an older one. assumption L9"""
        with self._estate.lock:
            older = self._estate.release(app, identity)
            self._estate.configs[app] = dict(older.config)
            return self.make(app, f"Rollback to v{older.version}")

    def refuse_more(self) -> None:
        """No further release is begun."""
        self._closing.set()
        with self._estate.lock:
            for queue in self._queues.values():
                queue.put(None)

    def join(self) -> None:
        """Returns when none is under way. Call it after `refuse_more`, and after the dynos are closed."""
        for thread in tuple(self._threads.values()):
            thread.join()

    def forget(self, app: str) -> None:
        """The app is going: returns when none of its releases is under way. Call it without any lock."""
        with self._estate.lock:
            self._gone.add(app)
            queue, thread = self._queues.pop(app, None), self._threads.pop(app, None)
        if queue is not None and thread is not None:
            queue.put(None)
            thread.join()

    def _queue(self, app: str) -> "SimpleQueue[Release | None]":
        with self._estate.lock:
            if app not in self._queues:
                queue = self._queues[app] = SimpleQueue()
                thread = threading.Thread(target=self._work, args=(queue,), name=f"releases {app}", daemon=True)
                self._threads[app] = thread
                thread.start()
            return self._queues[app]

    def _work(self, queue: "SimpleQueue[Release | None]") -> None:
        while (release := queue.get()) is not None:
            if release.app in self._gone:
                continue
            if self._closing.wait(self._pace.release_s()):
                return
            try:
                while self._hangs(release.app) and release.app not in self._gone:
                    if self._closing.wait(HANG_LOOK_S):
                        return
                self._carry_out(release)
            except Refusal:
                # The lab was closed between the look and the start of the release dyno.
                return

    def _hangs(self, app: str) -> bool:
        with self._estate.lock:
            return self._estate.apps[app].knobs.releases_hang

    def _carry_out(self, release: Release) -> None:
        command = self._command(release)
        if command is not None:
            status, output = self._run(release, command)
            release = self._estate.update_release(release, output=output)
            if status != 0:
                self._estate.update_release(release, status=ReleaseStatus.FAILED)
                self._logs.write(release.app, f"release.{release.version}", "release command failed")
                return
        with self._estate.lock:
            self._estate.update_release(release, status=ReleaseStatus.SUCCEEDED)
            self._estate.update_app(release.app, serving_version=release.version, released_at=now())
        self._dynos.restart(release.app)

    def _command(self, release: Release) -> str | None:
        with self._estate.lock:
            if not release.runs_command:
                return None
            if self._estate.apps[release.app].knobs.release_phase_fails:
                return FAILING_COMMAND
            process = self._estate.formation[release.app].get("release")
            return None if process is None else process.command

    def _run(self, release: Release, command: str) -> tuple[int | None, str]:
        lines: list[str] = []
        slot: OneOffSlot = self._dynos.run(
            release.app,
            command,
            process_type="release",
            config=release.config,
            version=release.version,
            on_line=lines.append,
        )
        slot.join()
        return slot.status, "".join(f"{line}\n" for line in lines)


def set_knobs(estate: Estate, app: str, **changes: object) -> None:
    """Turn knobs of one app; see `records.Knobs`."""
    with estate.lock:
        estate.update_app(app, knobs=replace(estate.apps[app].knobs, **changes))  # type: ignore[arg-type]
