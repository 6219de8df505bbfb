"""All dynos of the local Heroku: what the formation wants is kept running; one-offs run beside it.

Which dynos exist is decided here; how one lives is `slots`. A dyno starts with the config of the release that serves
when it is made, and keeps it.
"""

import threading
from collections.abc import Callable, Mapping

from pgcutover.lab.heroku import refusals
from pgcutover.lab.heroku.records import Dyno, DynoState, ProcessType, now
from pgcutover.lab.heroku.slots import FormationSlot, OneOffSlot, Slot, Surroundings
from pgcutover.lab.heroku.state import Estate

ONE_OFF_NUMBERS = (1000, 9999)


class Dynos:
    """Start, restart, scale, stop, list."""

    def __init__(self, estate: Estate, around: Surroundings) -> None:
        self._estate = estate
        self._around = around
        self._lock = threading.RLock()
        self._slots: dict[tuple[str, str], Slot] = {}
        """By app and dyno name: those the API shows."""
        self._leaving: list[Slot] = []
        """No longer shown, perhaps not gone yet."""
        self._closed = False

    def reconcile(self, app: str) -> None:
        """Start what the formation lacks, stop what it has too many of. Before the first release nothing runs."""
        with self._lock, self._estate.lock:
            if self._closed or self._estate.apps[app].serving_version == 0:
                return
            wanted = {
                f"{process.type}.{number}": process
                for process in self._estate.formation[app].values()
                for number in range(1, process.quantity + 1)
            }
            for name in [name for (of, name), slot in self._slots.items() if of == app and _formed(slot)]:
                if name not in wanted:
                    self._let_go(app, name)
            for name, process in wanted.items():
                if (app, name) not in self._slots:
                    self._start_formation(app, name, process)

    def restart(self, app: str, *, only: Callable[[Dyno], bool] = lambda _: True) -> None:
        """Every formation dyno of the app (that `only` accepts) is stopped, and another one started in its place.

        One-off dynos are left alone (assumption L6).
        """
        with self._lock:
            for (of, name), slot in list(self._slots.items()):
                if of == app and _formed(slot) and only(slot.record):
                    self._let_go(app, name)
            self.reconcile(app)

    def stop(self, app: str, name: str) -> None:
        """A one-off is ended; a dyno of the formation is started anew (assumption L7)."""
        with self._lock:
            slot = self._slots.get((app, name))
            if slot is None:
                raise refusals.not_found("dyno")
            self._let_go(app, name)
            self.reconcile(app)

    def end_all(self, app: str) -> None:
        """Every dyno of the app is told to stop, one-offs too; the formation must be empty by then."""
        with self._lock:
            for of, name in list(self._slots):
                if of == app:
                    self._let_go(app, name)

    def run(
        self,
        app: str,
        command: str,
        *,
        process_type: str = "run",
        number: int | None = None,
        size: str = "Standard-1X",
        environment: Mapping[str, str] | None = None,
        config: Mapping[str, str] | None = None,
        version: int | None = None,
        time_to_live_s: float | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> OneOffSlot:
        """A one-off dyno; it leaves the list when its command ends (assumption L8)."""
        with self._lock, self._estate.lock:
            if self._closed:
                raise refusals.Refusal(503, "shutting_down", "The lab is shutting down.")
            if self._estate.apps[app].serving_version == 0:
                # The command line tries again on a 409: heroku/cli, lib/run/dyno.js.
                raise refusals.Refusal(409, "conflict", "The app has no release yet.")
            dyno = Dyno(
                id=self._estate.new_id(),
                app=app,
                name=f"{process_type}.{number or self._free_number(app, process_type)}",
                type=process_type,
                command=command,
                state=DynoState.STARTING,
                size=size,
                release_version=version or self._estate.apps[app].serving_version,
                created_at=now(),
                updated_at=now(),
            )
            slot = OneOffSlot(
                dyno,
                {**(self._estate.serving_config(app) if config is None else config), **(environment or {})},
                self._around,
                time_to_live_s=time_to_live_s,
                on_line=on_line,
                on_end=self._forget,
            )
            self._slots[app, dyno.name] = slot
            slot.start()
            return slot

    def list(self, app: str) -> tuple[Dyno, ...]:
        with self._lock:
            return tuple(slot.record for (of, _), slot in sorted(self._slots.items()) if of == app)

    def get(self, app: str, identity: str) -> Dyno:
        for dyno in self.list(app):
            if identity in (dyno.id, dyno.name):
                return dyno
        raise refusals.not_found("dyno")

    def close(self) -> None:
        """Stop everything; returns when no process is left."""
        with self._lock:
            self._closed = True
            for app, name in list(self._slots):
                self._let_go(app, name)
            leaving = list(self._leaving)
        for slot in leaving:
            slot.join()

    def _start_formation(self, app: str, name: str, process: ProcessType) -> None:
        dyno = Dyno(
            id=self._estate.new_id(),
            app=app,
            name=name,
            type=process.type,
            command=process.command,
            state=DynoState.DOWN,
            size=process.size,
            release_version=self._estate.apps[app].serving_version,
            created_at=now(),
            updated_at=now(),
        )
        slot = FormationSlot(dyno, self._estate.serving_config(app), self._around)
        self._slots[app, name] = slot
        slot.start()

    def _let_go(self, app: str, name: str) -> None:
        # assumption L5
        slot = self._slots.pop((app, name))
        self._leaving = [left for left in self._leaving if left.alive]
        self._leaving.append(slot)
        slot.request_stop()

    def _forget(self, slot: OneOffSlot) -> None:
        key = (slot.record.app, slot.record.name)
        with self._lock:
            if self._slots.get(key) is slot:
                del self._slots[key]

    def _free_number(self, app: str, process_type: str) -> int:
        while True:
            number = self._estate.number(*ONE_OFF_NUMBERS)
            if (app, f"{process_type}.{number}") not in self._slots:
                return number


def _formed(slot: Slot) -> bool:
    return isinstance(slot, FormationSlot)
