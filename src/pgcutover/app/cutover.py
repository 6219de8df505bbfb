"""The use cases of a move: inventory, plan, prepare, migrate, verify, status, rollback, retire, destroy.

Each opens what it needs, joins steps to edges, and gives back one value. What may follow what is decided by the journal
and the plan, never here.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pgcutover.app.advice import next_steps
from pgcutover.app.compared import Comparison
from pgcutover.app.comparison import Looking, compare_now
from pgcutover.app.detour import detour
from pgcutover.app.likeness import DrillRecord, past_drills
from pgcutover.app.patience import needed_to_go_back, patiently
from pgcutover.app.people import Ask, OnFailure, Question, confirmed_by
from pgcutover.app.planner import Planned, Stock, make_plan, take_stock
from pgcutover.app.records import Records
from pgcutover.app.rights import Advise, about_rights, refuse_lacking, unheard
from pgcutover.app.session import NO_NOTES, RunSession, Watcher, open_session, refuse_unopened
from pgcutover.app.trust import ACCEPTED, pinned_by
from pgcutover.config import Config
from pgcutover.edges.aws import Aws
from pgcutover.edges.heroku import HerokuClient
from pgcutover.edges.runrecord import drop_records
from pgcutover.errors import (
    InterruptedRun,
    JournalError,
    NotConfirmedError,
    NotUndoneError,
    PgcutoverError,
    RefusedError,
    RightsError,
    RunnerConflictError,
    StalePlanError,
)
from pgcutover.planning.aws_rights import MIGRATE, PREPARE
from pgcutover.planning.estimate import estimates
from pgcutover.planning.plan import Advice, Plan, confirmation_code, differences, held_to
from pgcutover.running.journal import Run
from pgcutover.running.step import Json
from pgcutover.steps.destroy import DESTROYED, Destroyed, destroy, replicas_of
from pgcutover.steps.history import Outcome, RunSummary, summarise
from pgcutover.steps.open_target import LEFT_OUT

BREAK_GLASS = "BREAK-GLASS.md"
"""Written beside pgcutover.toml before the fence."""

CLOSED = (
    "The application is closed: run pgcutover migrate to go on, or pgcutover rollback to open it on the old database."
)

HALF_BACK = (
    "The application is still closed: run pgcutover rollback to go on going back, or do what BREAK-GLASS.md says."
)

BreakGlass = Callable[..., str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """What retire removed, and what a person may now destroy."""

    removed: tuple[str, ...]
    kept: tuple[str, ...]
    may_destroy: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """The code that a colleague reads out, with the plan that it is for."""

    name: str
    code: str
    plan: Plan


class Cutover:
    """One environment, for the length of one command."""

    _opening_notes: Mapping[str, Json] = NO_NOTES
    """What a run begins with, when this command opens one."""

    def __init__(
        self, config: Config, listener: Watcher, *, accept_certificate: str = "", advise: Advise = unheard
    ) -> None:
        """`accept_certificate` is what a person trusts from now on, see app/trust.py. `advise` hears what a person
        should know before something begins."""
        self._config, self._listener, self._accept, self._advise = config, listener, accept_certificate, advise
        self._records = Records(config.state)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in ("_heroku", "_aws"):
            opened: Any = self.__dict__.get(name)
            if opened is not None:
                opened.close()

    @cached_property
    def _heroku(self) -> HerokuClient:
        around = self._config.surroundings
        return HerokuClient(self._config.token(), host=around.heroku_host, data_host=around.heroku_data_host)

    @cached_property
    def _aws(self) -> Aws:
        return Aws(self._config.choices.target.region)

    # -- looking ----------------------------------------------------------------------------------------------------

    def inventory(self) -> Stock:
        """Read Heroku and the database; change nothing."""
        return take_stock(self._heroku, self._config, pinned=self._certificate())

    def plan(self) -> Planned:
        """Take stock, decide, and keep the plan.

        Raises:
            RefusedError: a move is under way or done: its own plan counts.
        """
        run = self._records.last_run()
        if run is not None and run.is_open and self.status().outcome not in _REPLACEABLE:
            raise RefusedError(
                f"run {run.run} has its plan: it is {self.status().phrase}", hint="See what is next: pgcutover status."
            )
        planned = self._plan_now(known=self._certificate(), drills=past_drills(self._config))
        plan = planned.plan
        advice = (*plan.advice, *about_rights(self._aws, plan.decisions.target, plan.steps))
        planned = replace(planned, plan=plan.model_copy(update={"advice": advice}))
        self._records.store_plan(planned.plan)
        return planned

    def read_plan(self, path: Path | None = None) -> Planned:
        """A stored plan; see `Records.read_plan`."""
        plan = self._records.read_plan(path)
        return Planned(plan=plan, estimates=_estimates(plan))

    def detour(self, path: Path | None) -> tuple[Advice, ...]:
        """What to say of the way that the data would take: this machine may not be the one that planned. Nothing is
        said once a move is under way."""
        run = self._records.last_run()
        if run is not None and run.is_open and self.status().outcome not in _REPLACEABLE:
            return ()
        decisions = self._records.read_plan(path).decisions
        return detour(decisions.source.data_bytes, decisions.target.region, self._config.surroundings)

    def confirmation_code(self, path: Path | None) -> Code:
        """The code for a plan, under the name of whoever's token this is."""
        plan, name = self._records.read_plan(path), self._heroku.account_email()
        return Code(name=name, code=confirmation_code(plan.digest, name), plan=plan)

    def status(self) -> RunSummary:
        """Where the newest run stands, or the newest plan when that was made after the run ended."""
        run, plan = self._shown()
        events, notes = self._records.history(run) if run is not None else ((), ())
        summary = summarise(
            environment=self._config.environment,
            plan=plan,
            run=run,
            events=events,
            notes=notes,
            estimates=_estimates(plan),
            next_steps=(),
        )
        summary = summary.model_copy(update={"at_work": self._records.at_work()})
        return summary.model_copy(update={"next": next_steps(summary)})

    def _shown(self) -> tuple[Run | None, Plan]:
        run, newest = self._records.last_run(), self._records.newest_plan()
        if run is None:
            return None, self._records.read_plan(None)
        if run.closed_at is not None and newest is not None and newest.created_at > run.closed_at:
            return None, newest
        return run, self._records.plan_of(run)

    def verify(self, looking: Looking) -> Comparison:
        """Compare both databases as they are now; see app/comparison.py."""
        run = refuse_unopened(self._records)
        return compare_now(self._config, self._records, run, heroku=self._heroku, aws=self._aws, looking=looking)

    # -- moving -----------------------------------------------------------------------------------------------------

    def prepare(self, path: Path | None) -> RunSummary:
        """Everything that can be done days ahead.

        Raises:
            RightsError: AWS or Heroku would refuse a part of it; nothing was touched.
        """
        plan = self._plan_to_run(path, PREPARE)
        with self._session(plan) as session:
            self._require_write_scope(session)
            session.forward("prepare")
        return self.status()

    def migrate(
        self,
        path: Path | None,
        *,
        ask: Ask,
        break_glass: BreakGlass,
        on_failure: OnFailure = OnFailure.RETURN,
        accepted: Sequence[tuple[str, int]] = (),
        unverified: Sequence[tuple[str, str]] = (),
    ) -> RunSummary:
        """Move, or go on moving. A failure before the lift goes back by itself unless `on_failure` says stop.

        Raises:
            StalePlanError: the world is no longer as planned; nothing was touched.
            RightsError: AWS or Heroku would refuse a part of it; nothing was touched.
            NotConfirmedError: nobody agreed.
            PgcutoverError: a step failed; the message says whether everything went back.
        """
        plan = self._plan_to_run(path, MIGRATE)
        with self._session(plan) as session:
            for app, version in accepted:
                session.watch.accept(app, version, by=session.me)
            session.accept_unverified(unverified)
            begun = session.touched("fence", "copy", "switch", "after")
            if not begun:
                self._require_write_scope(session)
                session.forward("prepare")
            self._confirm(session, ask, "the fence")
            if not begun:
                session.before_the_fence()
                self._write_break_glass(session, break_glass)
            clock, renew = session.world.clock, session.world.renew
            try:
                patiently(
                    lambda: session.forward("copy"),
                    clock,
                    # A move that did not get to its copy is not insisted on: everything goes back at once.
                    worth_it=lambda error: session.touched("copy") or needed_to_go_back(error),
                    renew=renew,
                )
                self._confirm(session, ask, "the switch")
                patiently(session.forward, clock, renew=renew)
            except (InterruptedRun, RunnerConflictError, JournalError):
                raise
            except NotConfirmedError as error:
                error.hint = f"{error.hint} {CLOSED}"
                raise
            except PgcutoverError as error:
                self._after_failure(session, error, on_failure)
                raise
            except Exception as bug:
                # A bug must not keep the application closed: it is told as one, after everything went back.
                told = PgcutoverError(f"bug: {type(bug).__name__}: {bug}", hint="Please report it.")
                self._after_failure(session, told, on_failure)
                raise told from bug
        return self.status()

    def _after_failure(self, session: RunSession, error: PgcutoverError, on_failure: OnFailure) -> None:
        if session.lifted:
            error.hint = f"{error.hint} The application is open on the new database; run pgcutover migrate to finish."
        elif on_failure is OnFailure.STOP:
            error.hint = f"{error.hint} {CLOSED}"
        elif session.touched("fence", "copy", "switch"):
            try:
                left = patiently(session.back, session.world.clock, renew=session.world.renew)
            except (InterruptedRun, RunnerConflictError, JournalError):
                raise
            except PgcutoverError as second:
                raise NotUndoneError(
                    f"{error.message}; and going back stopped: {second.message}", hint=f"{second.hint} {HALF_BACK}"
                ) from error
            state = "as it was" if not left else f"as it was, but for {'; '.join(left)}"
            about = f" About the cause: {error.hint}" if error.hint else ""
            error.hint = (
                f"Everything went back: the application runs on the old database, {state}. To try again: pgcutover "
                f"plan, then pgcutover migrate.{about}"
            )

    def rollback(self, *, ask: Ask, without_export: str = "") -> tuple[RunSummary, tuple[str, ...]]:
        """Go back to the old database; also returns where Heroku differs from before (nothing, normally).

        `without_export` is a person's reason for not exporting what only the new database has: it cannot be reached.
        """
        run = refuse_unopened(self._records)
        if not run.is_open:
            raise RefusedError(
                f"run {run.run} is {run.outcome}: there is nothing to go back from",
                hint="Run pgcutover status to see what is next.",
            )
        with self._session(None, going_back=True) as session:
            lifted = session.lifted
            loses = (
                "Rows written to the new database since the lift stay there, exported and counted, "
                "but the old database will not have them."
            )
            text = f"Go back to the old database.{' ' + loses if lifted else ''}"
            if not ask(Question(text=text)).agreed:
                raise RefusedError("not confirmed; nothing was touched")
            if without_export:
                session.notes.note(LEFT_OUT, {"why": without_export, "by": session.me})
            left = patiently(session.back, session.world.clock, renew=session.world.renew)
        return self.status(), left

    # -- afterwards -------------------------------------------------------------------------------------------------

    def retire(self, *, ask: Ask) -> Retired:
        """Remove our scaffolding after a move; the old database stays as it is, fenced, until a person destroys it."""
        if self.status().outcome is not Outcome.MOVED:
            raise RefusedError(
                f"only a finished move can be retired; this one is {self.status().phrase}",
                hint="Run pgcutover status to see what is next.",
            )
        with self._session(None) as session:
            text = "Retire the move: going back will no longer be possible with pgcutover."
            if not ask(Question(text=text)).agreed:
                raise RefusedError("not confirmed; nothing was touched")
            decisions = session.plan.decisions
            source, target = decisions.source, decisions.target
            undo = self._records.write(self._config.state / "unfence.sql", "\n".join(session.unfence_sql()))
            drop_records(session.world.target_server)
            drop_records(session.world.source_server, even_fenced=True)
            session.world.vault.forget("config/")
            session.close(Outcome.RETIRED)
        return Retired(
            removed=(
                f"schema pgcutover on {target.database} and on the old database",
                "the saved config values",
            ),
            kept=(
                f"the old database {source.addon}, fenced: no forgotten URL can write to it ({undo} lowers the fence)",
                f"RDS instance {target.instance} with everything in it",
                *((f"its read replica {target.replica.identifier}",) if target.replica else ()),
                *(f"attachment {kept.name} of {kept.app}: it goes with its add-on" for kept in decisions.kept),
            ),
            may_destroy=tuple(
                f"heroku addons:destroy {addon} -a {source.billing_app}" for addon in (*source.followers, source.addon)
            ),
        )

    def destroy(self, typed: str, *, ask: Ask) -> Destroyed:
        """Delete the instance that pgcutover made, after a final snapshot; refused while an application may use it."""
        run = refuse_unopened(self._records)
        if run.is_open or run.outcome == Outcome.RETIRED:
            raise RefusedError(
                "the new database may be in use: only what a rollback left behind can be destroyed",
                hint="Go back first (pgcutover rollback), or delete it in the RDS console if you are sure.",
            )
        target = self._records.plan_of(run).decisions.target
        for instance in (target.instance, *replicas_of(self._aws, target)):
            self._refuse_in_use(instance)
        if not ask(Question(text=f"Delete {target.instance} after a final snapshot.", word=target.instance)).agreed:
            raise RefusedError("not confirmed; nothing was touched")
        destroyed = destroy(self._aws, target, typed=typed)
        with self._records.writing() as journal:
            journal.note(run.run, DESTROYED, {"instance": target.instance, "by": self._heroku.account_email()})
        return destroyed

    def _refuse_in_use(self, instance: str) -> None:
        found = self._aws.instances.describe(instance)
        host = found.host if found is not None else ""
        for app in self._config.choices.apps:
            # Dynos run the newest release that succeeded; config vars are those of the newest.
            if found and any(r.status != "succeeded" for r in self._heroku.releases(app, newest=1)):
                raise RefusedError(
                    f"the newest release of {app} did not succeed: an older one runs, which may use {instance}",
                    hint=f"Release {app} anew until it succeeds, then run the same command again.",
                )
            for variable, value in self._heroku.config(app).items():
                if found and host and f"@{host}:{found.port}/" in value.reveal():
                    raise RefusedError(f"{variable} of {app} names {instance}: it is in use")

    def export_state(self, path: Path) -> None:
        """The run's state for another machine: one 0600 file, secrets included."""
        beside = {"config": self._config.file, "break-glass": self._config.file.parent / BREAK_GLASS}
        self._records.export_to(path, {k: f.read_text("utf-8") for k, f in beside.items() if f.exists()})

    def import_state(self, path: Path) -> None:
        self._records.import_from(path)

    def write_document(self, path: Path, text: str, *, beside_state: bool) -> Path:
        """Write a report or the like, for its owner only."""
        return self._records.write(self._config.state / path if beside_state else path, text)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _session(
        self, plan: Plan | None, *, going_back: bool = False, accept: str = ""
    ) -> AbstractContextManager[RunSession]:
        return open_session(
            self._config,
            self._records,
            plan,
            heroku=self._heroku,
            aws=self._aws,
            listener=self._listener,
            going_back=going_back,
            accept_certificate=accept or self._accept,
            opening_notes=self._opening_notes,
        )

    def _plan_now(self, *, pinned: str = "", known: str = "", drills: Sequence[DrillRecord] = ()) -> Planned:
        return make_plan(
            self._heroku,
            self._aws,
            self._config,
            run_number=self._records.run_number(),
            pinned=pinned,
            known=known,
            drills=drills,
        )

    def _certificate(self) -> str:
        """What the old database's server is held to: by the newest plan, or as was accepted in its run; '' before."""
        run, newest = self._records.last_run(), self._records.newest_plan()
        if run is None or (not run.is_open and newest is not None and newest.created_at > run.opened_at):
            return newest.decisions.source.certificate if newest else ""
        return self._accepted_in(run) or self._records.plan_of(run).decisions.source.certificate

    def _accepted_in(self, run: Run) -> str:
        notes = [note.payload for note in self._records.history(run)[1] if note.kind == ACCEPTED]
        return pinned_by("", [payload for payload in notes if isinstance(payload, Mapping)])

    def _plan_to_run(self, path: Path | None, command: str) -> Plan:
        """The plan to run; before anything moved it must still fit the world, and a newer one replaces an older."""
        run = self._records.last_run()
        plan = self._records.read_plan(path)
        prepared = False
        if run is not None and run.is_open:
            outcome = self.status().outcome
            if outcome not in _REPLACEABLE:
                return plan
            prepared = outcome is Outcome.PREPARED
            newest = self._records.read_plan(path) if path else self._records.newest_plan()
            if newest is not None and newest.digest != plan.digest:
                self._refuse_lacking_rights(newest, command, prepared=False)
                with self._session(None, accept=newest.decisions.source.certificate) as session:
                    session.back(Outcome.REPLACED)
                plan, run, prepared = newest, None, False
        elif run is not None and plan.created_at <= (run.closed_at or run.opened_at):
            raise StalePlanError(
                f"the newest plan was run already (run {run.run}, {run.outcome})", hint="Run pgcutover plan again."
            )
        accepted = self._accept or (self._accepted_in(run) if run is not None and run.is_open else "")
        fresh = self._plan_now(pinned=accepted or plan.decisions.source.certificate).plan.decisions
        changed = differences(held_to(plan.decisions, accepted), fresh)
        if changed:
            raise StalePlanError(
                f"the world is not as planned: {'; '.join(changed[:5])}",
                hint="Run pgcutover plan again and look at it.",
            )
        self._refuse_lacking_rights(plan, command, prepared=prepared)
        return plan

    def _refuse_lacking_rights(self, plan: Plan, command: str, *, prepared: bool) -> None:
        """Raises RightsError by what is left to do: once all is prepared, nobody needs a right to make anything."""
        left = {command} - {PREPARE} if prepared else {PREPARE, command}
        refuse_lacking(self._aws, plan.decisions.target, plan.steps, sorted(left, reverse=True), self._advise)

    def _require_write_scope(self, session: RunSession) -> None:
        """A change that changes nothing: a token that may only read is found before anything is touched."""
        try:
            for app, on in session.maintenance().items():
                self._heroku.set_maintenance(app, on=on)
        except RightsError:
            if not session.touched("prepare", "fence", "copy", "switch", "after"):
                # All that there is of the run is the record of its claim.
                drop_records(session.world.source_server)
            raise

    def _write_break_glass(self, session: RunSession, break_glass: BreakGlass) -> None:
        text = break_glass(
            session.plan,
            unfence_sql=session.unfence_sql(),
            formation=session.formation(),
            maintenance=session.maintenance(),
        )
        self._records.write(self._config.file.parent / BREAK_GLASS, text)

    def _confirm(self, session: RunSession, ask: Ask, what: str) -> None:
        """Ask once a run; who agreed is journalled."""
        if session.confirmed(what):
            return
        decisions = session.plan.decisions
        apps = ", ".join(app.moves.app for app in decisions.apps)
        about = f"{decisions.environment}, plan {session.plan.digest[:12]}: {apps}, {decisions.source.addon}"
        text = f"{about} to {decisions.target.instance}. {_QUESTIONS[what]}"
        session.confirm(what, confirmed_by(session.plan, Question(text=text), ask, me=session.me))


_REPLACEABLE = (Outcome.PREPARING, Outcome.PREPARED)
_QUESTIONS: Mapping[str, str] = {
    "the fence": "The application closes now: maintenance mode, no dynos, no writes to the old database. The plan says "
    "for how long. Until the lift everything can go back.",
    "the switch": "The copy is verified. The application moves to the new database now.",
}


def _estimates(plan: Plan) -> dict[str, float]:
    return estimates(plan.decisions, tuple(step.name for step in plan.steps))
