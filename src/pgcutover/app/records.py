"""What an environment keeps on this machine: plans, the journal, saved values; all under .pgcutover/NAME/.

It reads and writes files, nothing else. Invariant: a plan that is read has the digest that its decisions give.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from pgcutover.app.step_order import planned_steps
from pgcutover.edges.journal import SqliteJournal
from pgcutover.edges.journal.export import read_export
from pgcutover.edges.journal.lock import writer_at_work
from pgcutover.edges.vault import Vault
from pgcutover.errors import ConfigError, PgcutoverError, RefusedError, StalePlanError
from pgcutover.facts.building import SortMemory
from pgcutover.planning.plan import Plan, digest_of, tuned
from pgcutover.running.journal import Event, Note, Run
from pgcutover.steps.history import Outcome

OWNER_ONLY = 0o600


class Records:
    """The files of one environment."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.journal_file = state / "journal.db"
        self.vault = Vault(state / "vault.json")

    # -- plans ------------------------------------------------------------------------------------------------------

    def store_plan(self, plan: Plan) -> Path:
        """Keep a plan; the newest is the one that migrate runs."""
        name = f"{plan.created_at.strftime('%Y%m%dT%H%M%S%f')}-{plan.digest[:8]}.json"
        return self.write(self.state / "plans" / name, plan.model_dump_json(indent=2))

    def read_plan(self, path: Path | None) -> Plan:
        """The plan in `path`, else that of the open run, else the newest stored.

        Raises:
            ConfigError: there is none, or it cannot be understood.
            StalePlanError: it was edited by hand.
        """
        run = self.last_run()
        if path is None and run is not None and run.is_open:
            return self.plan_of(run)
        return self.stored_plan(path)

    def stored_plan(self, path: Path | None) -> Plan:
        """The plan in `path`, else the newest stored, whatever run is open; raises as `read_plan`."""
        path = path or self._newest()
        try:
            return self._checked(path.read_text("utf-8"), str(path))
        except OSError as cause:
            raise ConfigError(f"the plan {path} cannot be read: {cause.strerror}") from cause

    def _newest(self) -> Path:
        stored = sorted((self.state / "plans").glob("*.json"))
        if not stored:
            raise ConfigError(f"there is no plan for {self.state.name} yet", hint="Run pgcutover plan.")
        return stored[-1]

    def newest_plan(self) -> Plan | None:
        """The newest stored plan, whatever run is open."""
        stored = sorted((self.state / "plans").glob("*.json"))
        return self._checked(stored[-1].read_text("utf-8"), str(stored[-1])) if stored else None

    def tune_plan(self, path: Path | None, *, jobs: int, sort_memory: SortMemory) -> Path:
        """Write what is the best for these machines into a stored plan, the newest without `path`. It stays that plan:
        a run of it that is under way takes it, too.

        Raises:
            As `read_plan`.
        """
        stored, plan = path or self._newest(), self.stored_plan(path)
        try:
            return self.write(stored, tuned(plan, jobs=jobs, sort_memory=sort_memory).model_dump_json(indent=2))
        except OSError as cause:
            raise ConfigError(f"the plan {stored} cannot be written: {cause.strerror}") from cause

    def plan_of(self, run: Run) -> Plan:
        """The plan that a run was opened with; with what was found best for these machines since."""
        plan, newest = self._checked(json.dumps(run.plan), f"run {run.run}"), None
        # A file that cannot be read must not keep a run from going on, or back.
        with suppress(PgcutoverError, OSError):
            newest = self.newest_plan()
        if newest is None or newest.digest != plan.digest:
            return plan
        return tuned(plan, jobs=newest.decisions.jobs, sort_memory=newest.decisions.sort_memory)

    @staticmethod
    def _checked(text: str, where: str) -> Plan:
        try:
            plan = Plan.model_validate_json(text)
        except ValidationError as cause:
            raise ConfigError(
                f"the plan in {where} cannot be understood", hint="Make a new one: pgcutover plan."
            ) from cause
        if plan.digest != digest_of(plan.decisions):
            raise StalePlanError(
                f"the plan in {where} was changed by hand: its digest does not fit", hint="Make a new one."
            )
        if [step.name for step in plan.steps] != [step.name for step in planned_steps(plan.decisions)]:
            raise StalePlanError(
                f"the plan in {where} was made by a version of pgcutover that takes other steps",
                hint="Use that version to go on with its run, or make a new plan.",
            )
        return plan

    # -- journal ----------------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[SqliteJournal]:
        """The journal, ours alone. Raises RunnerConflictError when another process on this machine has it."""
        with SqliteJournal(self.journal_file) as journal:
            yield journal

    def at_work(self) -> str:
        """The process on this machine that works on this environment, in words; '' when none does."""
        return writer_at_work(self.journal_file.with_name(f"{self.journal_file.name}.lock"))

    def runs(self) -> tuple[Run, ...]:
        if not self.journal_file.exists():
            return ()
        with SqliteJournal(self.journal_file, read_only=True) as journal:
            return journal.runs()

    def last_run(self) -> Run | None:
        runs = self.runs()
        return runs[-1] if runs else None

    def history(self, run: Run) -> tuple[tuple[Event, ...], tuple[Note, ...]]:
        """Events and notes of a run, oldest first."""
        with SqliteJournal(self.journal_file, read_only=True) as journal:
            return journal.events(run.run), journal.notes(run.run)

    def run_number(self) -> int:
        """One more than the closed runs that may have left rows in a database: a new run never uses theirs."""
        closed = [run for run in self.runs() if not run.is_open]
        return 1 + sum(any(e.step == "schema" for e in self.history(run)[0]) for run in closed)

    # -- moving to another machine ----------------------------------------------------------------------------------

    def export_to(self, file: Path, beside: Mapping[str, str]) -> None:
        """Journal, plans, saved values and what stands beside them in one 0600 file. It holds secrets."""
        if not self.journal_file.exists():
            raise RefusedError("there is nothing to export: no run was started here", hint="Run pgcutover prepare.")
        stored = {f"plans/{p.name}": p.read_text("utf-8") for p in sorted((self.state / "plans").glob("*.json"))}
        with SqliteJournal(self.journal_file, read_only=True) as journal:
            journal.export(file, {"vault": self.vault.export(), **beside, **stored})

    def import_from(self, file: Path) -> None:
        """Take over what `export_to` wrote.

        Raises:
            JournalError: the file is older than what is here, or no such file.
        """
        self._make_private()
        with SqliteJournal(self.journal_file) as journal:
            attached = journal.import_(file)
        self.vault.restore(attached.get("vault", "{}"))
        for name, text in attached.items():
            if name.startswith("plans/"):
                self.write(self.state / "plans" / Path(name).name, text)

    def write(self, path: Path, text: str) -> Path:
        """Write a file that only its owner may read, whole or not at all."""
        self._make_private()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        return path

    def _make_private(self) -> None:
        # One by one: with parents=True the mode counts for the last directory only.
        for directory in (self.state.parent, self.state):
            directory.mkdir(mode=0o700, exist_ok=True)


def ended_as(run: Run) -> Outcome | None:
    """How a closed run ended."""
    return Outcome(run.outcome) if run.outcome is not None else None


def unpack_beside(export: Path, config: Path, break_glass: str) -> tuple[Path, ...]:
    """Write the configuration and BREAK-GLASS.md that an export carries, where they are missing; what was written."""
    found = read_export(export).attachments
    places = {"config": config, "break-glass": config.parent / break_glass}
    written = []
    for key, path in places.items():
        if key in found and not path.exists():
            path.write_text(found[key], "utf-8")
            path.chmod(OWNER_ONLY)
            written.append(path)
    return tuple(written)
