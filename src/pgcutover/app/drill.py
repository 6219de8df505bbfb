"""A drill: a whole move of an environment that is not production, back at once, and both worlds before and after.

It is no second code path: it calls the use cases of a move in their order. Which half is under way is read from the
journal, so that the same command goes on after any stop.

Invariant: the picture before is taken before anything is touched, and begins the run that it belongs to.
"""

import getpass
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum, auto

from pydantic import BaseModel, ConfigDict

from pgcutover.app.cutover import BreakGlass, Cutover
from pgcutover.app.estate import source_dsn
from pgcutover.app.likeness import facts_of
from pgcutover.app.people import Ask, Question
from pgcutover.app.picture import changed, made, worlds
from pgcutover.app.trust import trust
from pgcutover.edges.postgres import Server
from pgcutover.errors import NotDoneError, NotUndoneError, RefusedError
from pgcutover.planning.plan import Plan
from pgcutover.running.journal import Run
from pgcutover.running.state import Move
from pgcutover.running.step import Json
from pgcutover.steps.history import DRILL, DRILLED, Outage, Outcome, Salvaged


class Drilled(BaseModel):
    """How a drill ended: what is otherwise than before, what it left on purpose, what the application wrote on RDS."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    version: int = 1
    environment: str
    run: str
    plan_digest: str
    at: datetime
    green: bool
    """Nothing differs, and the export is everything that was written to the new database."""
    differences: tuple[str, ...]
    """Where Heroku, the old database or somebody's own AWS resources differ from before, one line each."""
    kept: tuple[str, ...]
    """What the drill made on AWS and left there."""
    salvaged: tuple[Salvaged, ...]
    """Rows that the application wrote while it ran on the new database: exported, by table."""
    salvage_directory: str
    salvage_doubts: tuple[str, ...]
    outage: Outage
    next: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        return 0 if self.green else NotUndoneError.exit_code


class _Stage(Enum):
    """What a drill has to do next."""

    BEGIN = auto()
    MIGRATE = auto()
    ROLL_BACK = auto()
    COMPARE = auto()


class Drill(Cutover):
    """One environment, for the length of a drill."""

    def drill(self, *, ask: Ask, break_glass: BreakGlass) -> Drilled:
        """Plan where there is no plan, migrate (which prepares), roll back, compare; or go on where it stopped.

        Raises:
            RefusedError: the environment is production; or a run is open that is no drill.
            PgcutoverError: as `migrate` and `rollback`; the same command goes on.
        """
        self._refuse_production()
        stage = self._stage()
        agreed = ask(Question(text=self._question(stage)))
        if not agreed.agreed:
            raise RefusedError("not confirmed; nothing was touched")
        self._opening_notes = {DRILL: self._begun(stage)}
        if stage in (_Stage.BEGIN, _Stage.MIGRATE):
            self.migrate(None, ask=lambda _: agreed, break_glass=break_glass)
        if stage is not _Stage.COMPARE:
            self.rollback(ask=lambda _: agreed)
        return self._compared()

    def _refuse_production(self) -> None:
        if self._config.choices.production:
            raise RefusedError(
                f"{self._config.environment} is production: a drill would close it twice and leave rows behind on RDS",
                hint="Drill another environment: pgcutover drill --env staging. To move this one: pgcutover migrate.",
            )

    def _question(self, stage: _Stage) -> str:
        apps = ", ".join(self._config.choices.apps)
        if stage is _Stage.COMPARE:
            return f"Compare {self._config.environment} with what it was before its drill. Nothing is touched."
        return (
            f"Drill {self._config.environment}: {apps} move to RDS, open there, and come back at once. The application "
            "closes twice. Rows that it writes on RDS meanwhile stay there, exported and counted."
        )

    def _stage(self) -> _Stage:
        run = self._records.last_run()
        if run is None:
            return _Stage.BEGIN
        noted = self._noted(run)
        if run.is_open and DRILL not in noted:
            raise RefusedError(
                f"run {run.run} is open and is no drill", hint="Go back first: pgcutover rollback. Then drill."
            )
        if run.is_open:
            back = (Outcome.MOVED, Outcome.RETURNING)
            return _Stage.ROLL_BACK if self.status().outcome in back else _Stage.MIGRATE
        undiffed = DRILL in noted and DRILLED not in noted and run.outcome == Outcome.RETURNED
        return _Stage.COMPARE if undiffed and self._moved(run) else _Stage.BEGIN

    def _begun(self, stage: _Stage) -> Mapping[str, Json]:
        """The picture and the facts before; of a drill under way its own, also when a newer plan replaces its run's."""
        run = self._records.last_run()
        if stage is not _Stage.BEGIN and run is not None:
            return self._noted(run)[DRILL]
        plan = self._plan_to_drill()
        stock = self.inventory()
        facts = facts_of(self._config, stock.estate, stock.database, plan.decisions.target)
        return {"before": self._worlds(plan), "facts": facts.model_dump(mode="json")}

    def _plan_to_drill(self) -> Plan:
        """The newest, made now when there is none or it was run already."""
        run, newest = self._records.last_run(), self._records.newest_plan()
        ended = run.closed_at if run is not None else None
        if newest is None or (ended is not None and newest.created_at <= ended):
            return self.plan().plan
        return newest

    def _compared(self) -> Drilled:
        run = self._records.last_run()
        assert run is not None, "a drill has a run"
        if not self._moved(run):
            raise NotDoneError(
                "the drill did not take every step of the move: everything went back",
                hint="Look at pgcutover status for the cause, then run pgcutover drill again.",
            )
        begun, plan, summary = self._noted(run)[DRILL], self._records.plan_of(run), self.status()
        before, after = begun["before"], self._worlds(plan)
        assert isinstance(before, Mapping), "as `_begun` writes it"
        differences = changed(before, after)
        green = not differences and not summary.salvage_doubts
        with self._records.writing() as journal:
            journal.note(run.run, DRILLED, {"green": green, "differences": [*differences], "by": self._me})
        return Drilled(
            environment=self._config.environment,
            run=run.run,
            plan_digest=run.plan_digest,
            at=datetime.now(UTC),
            green=green,
            differences=differences,
            kept=made(plan.decisions.target, after),
            salvaged=summary.salvaged,
            salvage_directory=summary.salvage_directory,
            salvage_doubts=summary.salvage_doubts,
            outage=summary.outage,
            next=self.status().next,
        )

    @property
    def _me(self) -> str:
        return self._heroku.account_email() or getpass.getuser()

    def _moved(self, run: Run) -> bool:
        """Whether every step of the plan was once found whole."""
        whole = {e.step for e in self._records.history(run)[0] if e.move in (Move.FINISH, Move.ADOPT)}
        return whole >= {step.name for step in self._records.plan_of(run).steps}

    def _noted(self, run: Run) -> Mapping[str, Mapping[str, Json]]:
        """The newest note of each kind."""
        notes = self._records.history(run)[1]
        return {note.kind: note.payload for note in notes if isinstance(note.payload, Mapping)}

    def _worlds(self, plan: Plan) -> dict[str, Json]:
        decisions, source = plan.decisions, plan.decisions.source
        dsn = source_dsn(self._heroku, source.billing_app, source.addon)
        trusted = trust(dsn, pinned=self._certificate(), state=self._config.state)
        return worlds(
            self._heroku,
            self._aws,
            Server(dsn=trusted.dsn, side="source"),
            apps=[app.moves.app for app in decisions.apps],
            target=decisions.target,
        )
