"""One run at work: its journal (ours alone), its world, its runner, its guards.

Nothing here decides what is next; `cutover.py` calls it in the order that the plan gives.
"""

import getpass
import os
import socket
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from types import MappingProxyType
from typing import Any, Protocol

from pydantic import TypeAdapter

from pgcutover.app.guards import Guards, RunNotes
from pgcutover.app.picture import difference, picture, without_kept
from pgcutover.app.records import Records
from pgcutover.app.step_order import Privileges, phased_steps
from pgcutover.app.world import RunWorld
from pgcutover.config import Config
from pgcutover.edges.aws import Aws
from pgcutover.edges.catalog import read_inventory
from pgcutover.edges.fence_state import undo_sql
from pgcutover.edges.fencing import lower_stored_fence
from pgcutover.edges.heroku import HerokuClient
from pgcutover.edges.journal import SqliteJournal
from pgcutover.edges.progress import CopyProgress, read_progress
from pgcutover.edges.runrecord import cas_sql, drop_records
from pgcutover.errors import NotUndoneError, RefusedError, StalePlanError
from pgcutover.planning.chunks import Chunk
from pgcutover.planning.estimate import estimates
from pgcutover.planning.plan import Phase, Plan
from pgcutover.running.journal import Run, before_of
from pgcutover.running.runner import Listener, Runner
from pgcutover.running.state import StepState
from pgcutover.running.step import Before, Json
from pgcutover.steps.acceptance import ACCEPTED_UNVERIFIED, UNVERIFIED, acceptances
from pgcutover.steps.history import Outcome
from pgcutover.steps.lift import LIFTED
from pgcutover.steps.maintenance import MAINTENANCE
from pgcutover.steps.ports_copy import Copier
from pgcutover.steps.releases import ReleaseWatch
from pgcutover.steps.save_config import save_anew
from pgcutover.steps.scale_down import FORMATION

PRIVILEGES, BEFORE, CONFIRMED = "privileges before", "heroku before", "confirmed"
OPENED = "session opened"
"""Noted before the run is claimed, so that the databases never know of more claims than the journal."""
PRIVILEGES_TYPE = TypeAdapter(Privileges)
NO_NOTES: Mapping[str, Json] = MappingProxyType({})


class Watcher(Listener, Protocol):
    """A listener that may be told of the plan, and of where a copy's figures come from."""

    def know(self, plan: Plan, estimates: Mapping[str, float], /) -> None: ...
    def copying(self, source: Callable[[], CopyProgress | None], /) -> None: ...
    def close(self) -> None: ...


class RunSession:
    """A run, open for work. Made by `open_session`."""

    def __init__(self, run: Run, plan: Plan, journal: SqliteJournal, world: RunWorld, listener: Watcher) -> None:
        self.run, self.plan, self.world = run, plan, world
        self.notes = world.notes
        self._journal, self._listener = journal, listener
        self.watch = ReleaseWatch(
            heroku=world.heroku, notes=world.notes, clock=world.clock, apps=[a.moves.app for a in plan.decisions.apps]
        )

        listener.know(plan, estimates(plan.decisions, tuple(step.name for step in plan.steps)))
        listener.copying(self._progress)

    # -- where it stands --------------------------------------------------------------------------------------------

    def states(self) -> Mapping[str, StepState]:
        return self._runner().states()

    def touched(self, *phases: Phase) -> bool:
        """Whether any step of these phases has begun (and was not undone)."""
        states = self.states()
        untouched = (StepState.WAITING, StepState.UNDONE)
        return any(states[s.name] not in untouched for s in self.plan.steps if s.phase in phases)

    @property
    def lifted(self) -> bool:
        return bool(self.notes.notes(LIFTED))

    @property
    def me(self) -> str:
        return self.world.heroku.account_email() or getpass.getuser()

    # -- going forward ----------------------------------------------------------------------------------------------

    def forward(self, last: Phase | None = None) -> None:
        """Go on through every step up to the end of a phase; None: to the end."""
        until = [s.name for s in self.plan.steps if s.phase == last][-1] if last else None
        self._runner().forward(until)

    def before_the_fence(self) -> None:
        """Right before it: read what the fence will take away and what going back shall restore, as both are today,
        and take the newest releases as known."""
        found = read_inventory(self.world.source_server)
        kept = Privileges(grants=found.grants, settings=found.settings, owner=found.owner)
        self.notes.note(PRIVILEGES, asdict(kept))
        save_anew(self.world, tuple(app.moves for app in self.plan.decisions.apps))
        first = self.notes.notes(BEFORE)[0]
        now = picture(self.world.heroku, list(first))
        self.notes.note(BEFORE, without_kept(now, first, self.plan.decisions.kept))
        self.watch.start()

    def unfence_sql(self) -> tuple[str, ...]:
        """The statements that lower the fence by hand, for BREAK-GLASS.md; joined by line breaks, a script for psql."""
        recorded = self.world.source.read_fence()
        text = undo_sql(self.world.source_server, recorded)
        # Names may hold line breaks of every kind; parted and joined here, they stay as they are.
        return tuple(f"{statement};" for statement in text.removesuffix(";\n").split(";\n"))

    def formation(self) -> dict[str, dict[str, int]]:
        """Quantities by app as they are before the fence, or as it found them."""
        noted = self.notes.notes(FORMATION)
        held: Mapping[str, Any] = noted[-1] if noted else self._picture("formation")
        return {app: {kind: int(n) for kind, n in quantities.items()} for app, quantities in held.items()}

    def maintenance(self) -> dict[str, bool]:
        noted = self.notes.notes(MAINTENANCE)
        held: Mapping[str, Any] = noted[-1] if noted else self._picture("maintenance")
        return {app: bool(on) for app, on in held.items()}

    def confirm(self, what: str, by: str) -> None:
        self.notes.note(CONFIRMED, {"what": what, "by": by})

    def accept_unverified(self, wanted: Sequence[tuple[str, str]]) -> None:
        """Names and reasons, of what this run's newest comparison that failed could not verify.

        Raises:
            RefusedError: see `acceptances`.
        """
        if wanted:
            for note in acceptances(self.notes.notes(UNVERIFIED), wanted, by=self.me):
                self.notes.note(ACCEPTED_UNVERIFIED, note)

    def confirmed(self, what: str) -> bool:
        return any(n["what"] == what for n in self.notes.notes(CONFIRMED))

    # -- going back -------------------------------------------------------------------------------------------------

    def back(self, outcome: Outcome = Outcome.RETURNED) -> tuple[str, ...]:
        """Unwind everything but what made the target, close the run, and say where Heroku differs from before.

        Raises:
            NotUndoneError: the application is not open as it was before; the run stays open.
        """
        self._runner().unwind()
        # A journal that is older than the world (an old export) does not know of the fence; its own record does.
        lower_stored_fence(self.world.source_server, cas_sql(self.run.run, self.world.claim.epoch))
        before = self.notes.notes(BEFORE)[-1]
        left = difference(before, picture(self.world.heroku, list(before)))
        closed = [line for line in left if " maintenance:" in line or " formation " in line or line.endswith("absent")]
        # A process type that a release took away; nothing of it ran before.
        closed = [line for line in closed if not line.endswith(": 0 -> absent")]
        if closed:
            raise NotUndoneError(
                f"Heroku is not as it was before: {'; '.join(closed)}",
                hint="Set it by hand as BREAK-GLASS.md says, then run pgcutover rollback again.",
            )
        drop_records(self.world.source_server)
        self._journal.close_run(self.run.run, outcome.value)
        return left

    def close(self, outcome: Outcome) -> None:
        self._journal.close_run(self.run.run, outcome.value)

    def _progress(self) -> CopyProgress | None:
        """How far the copy is; None before there is one. Asked from another thread."""
        copier: Copier | None = self.world.__dict__.get("copier")
        if copier is None:
            return None
        return read_progress(self.world.plain_target, self.run.run, self._chunks)

    @cached_property
    def _chunks(self) -> tuple[Chunk, ...]:
        copier = self.world.copier
        return copier.chunks(copier.source.inventory())

    def _fenced_with(self) -> Before | None:
        """What the fence step recorded before it was raised."""
        return before_of(self._journal.events(self.run.run), "fence")

    def _picture(self, key: str) -> dict[str, Json]:
        before = self.notes.notes(BEFORE)[-1]
        return {app: seen[key] for app, seen in before.items() if isinstance(seen, Mapping)}

    def _runner(self) -> Runner[Any]:
        noted = self.notes.notes(PRIVILEGES)
        privileges = PRIVILEGES_TYPE.validate_python(noted[-1]) if noted else Privileges()
        steps = [step for _, step in phased_steps(self.plan.decisions, privileges)]
        guards: Sequence[Any] = (
            Guards(plan=self.plan, claim=self.world.claim, watch=self.watch, fenced_with=self._fenced_with),
        )
        return Runner(steps, self._journal, self.run.run, self.world, guards, self._listener)


@contextmanager
def open_session(
    config: Config,
    records: Records,
    plan: Plan | None,
    *,
    heroku: HerokuClient,
    aws: Aws,
    listener: Watcher,
    going_back: bool = False,
    accept_certificate: str = "",
    opening_notes: Mapping[str, Json] = NO_NOTES,
) -> Iterator[RunSession]:
    """The open run of this environment; with a plan, a new one when none is open, which begins with `opening_notes`.

    Raises:
        RefusedError: no run is open and no plan was given; or the open run has another plan and has moved already.
        RunnerConflictError: another process works on this environment, here or on another machine.
        StalePlanError: the databases know of more sessions than this journal, which comes from an old export; going
            back is possible all the same. Or the old database's server has another certificate than was accepted.
    """
    with records.writing() as journal:
        run, running_plan = _open_run(journal, records, plan, heroku, opening_notes)
        holder = f"{heroku.account_email() or getpass.getuser()} on {socket.gethostname()} pid {os.getpid()}"
        notes = RunNotes(journal=journal, run=run.run)

        def judge(found_epoch: int | None) -> None:
            # Asked under the lock, before the run is taken: a refused journal changes nothing.
            stale = (found_epoch or 0) > len(notes.notes(OPENED))
            if stale and (not going_back or _switched(notes, running_plan, heroku)):
                raise StalePlanError(
                    f"run {run.run} went on elsewhere after this journal was written",
                    hint="Import the newest export of the other machine. If there is none, and the application was "
                    "not switched yet: pgcutover rollback; if it was: BREAK-GLASS.md.",
                )
            notes.note(OPENED, {"by": holder})

        with RunWorld(
            config,
            running_plan,
            run.run,
            heroku=heroku,
            aws=aws,
            notes=notes,
            holder=holder,
            judge=judge,
            accept=accept_certificate,
        ) as world:
            _ = world.claim
            try:
                yield RunSession(run, running_plan, journal, world, listener)
            finally:
                listener.close()


def _switched(notes: RunNotes, plan: Plan, heroku: HerokuClient) -> bool:
    """Whether a variable that the plan moves is other than before: a journal that does not know why cannot go back."""
    before = notes.notes(BEFORE)[-1]
    apps = [app.moves for app in plan.decisions.apps]
    now = picture(heroku, [moves.app for moves in apps])
    moved = {moves.app: {m.variable for m in moves.variables} for moves in apps}
    changed = difference(
        {a: _config_of(before, a, v) for a, v in moved.items()}, {a: _config_of(now, a, v) for a, v in moved.items()}
    )
    return bool(changed)


def _config_of(seen: Mapping[str, Json], app: str, variables: Collection[str]) -> dict[str, Json]:
    part = seen.get(app)
    config = part.get("config") if isinstance(part, Mapping) else None
    return {v: config.get(v) for v in variables} if isinstance(config, Mapping) else {}


def _open_run(
    journal: SqliteJournal, records: Records, plan: Plan | None, heroku: HerokuClient, notes: Mapping[str, Json]
) -> tuple[Run, Plan]:
    runs = journal.runs()
    last = runs[-1] if runs else None
    if last is not None and last.is_open:
        running = records.plan_of(last)
        if plan is not None and plan.digest != running.digest:
            raise RefusedError(
                f"run {last.run} is open with another plan ({running.digest[:12]}, not {plan.digest[:12]})",
                hint="Go on without naming a plan, or go back first: pgcutover rollback.",
            )
        return last, running
    if plan is None:
        raise RefusedError("no run is open in this environment", hint="Run pgcutover plan, then pgcutover prepare.")
    name = f"{plan.decisions.environment}-{len(runs) + 1}"
    document: dict[str, Json] = plan.model_dump(mode="json")
    run = journal.open_run(name, plan.digest, document, heroku.account_email() or getpass.getuser())
    for kind, payload in notes.items():
        journal.note(name, kind, payload)
    journal.note(name, BEFORE, picture(heroku, [app.moves.app for app in plan.decisions.apps]))
    return run, plan


def refuse_unopened(records: Records) -> Run:
    """The newest run.

    Raises:
        RefusedError: there is none.
    """
    run = records.last_run()
    if run is None:
        raise RefusedError("nothing has been started in this environment", hint="Run pgcutover plan.")
    return run
