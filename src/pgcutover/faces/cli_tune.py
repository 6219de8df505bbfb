"""The options of `tune`, what it shows while it runs, and where its winner goes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pgcutover.app.records import Records
from pgcutover.app.tune import TuneDone, Wishes, tune
from pgcutover.config import Surroundings, read_config
from pgcutover.errors import PgcutoverError, UsageError
from pgcutover.faces.cli_copy import both, shown_on
from pgcutover.faces.figures import duration
from pgcutover.faces.options import database_option
from pgcutover.planning.trials import MOST_JOBS, Setting

PART = "2GB"
EVERYTHING = "all"
UNITS = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgt]b)", re.IGNORECASE)

Source = Annotated[
    str | None,
    database_option("source", "The database whose tables are tried: a postgres:// URL or service=NAME. Only read."),
]
Target = Annotated[
    str | None,
    database_option("target", "A database of the server to try, as a role that may make databases. Only read."),
]
Jobs = Annotated[
    str,
    typer.Option(help="Tables at once, tried beside the usual number; default: half and twice.", metavar="N,N,…"),
]
Repeats = Annotated[int, typer.Option(min=2, max=20, help="Try each setting so often.", metavar="N")]
PartSize = Annotated[
    str, typer.Option(help="Copy so much of the tables in each try, as in 500MB; or all.", metavar="SIZE")
]
Write = Annotated[
    bool, typer.Option("--write", help="Write the winner into the environment's newest plan, which migrate runs.")
]
PlanFile = Annotated[
    Path | None, typer.Option("--plan", help="With --write: the plan file; default: the newest.", metavar="FILE")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlan:
    """The plan that gets the winner, and what it says now."""

    records: Records
    file: Path | None
    now: Setting

    def write(self, best: Setting) -> Path:
        try:
            return self.records.tune_plan(self.file, jobs=best.jobs, sort_memory=best.sort_memory)
        except PgcutoverError as error:
            error.hint = f"What was found is not lost: best is {best.options}. {error.hint}".rstrip()
            raise


def stored_plan(
    context: typer.Context, *, write: bool, file: Path | None, config: Path, environment: str | None
) -> StoredPlan | None:
    """The plan that the options name; None where nothing is to be written.

    Raises:
        UsageError: a plan is named, and nothing is to be written into it.
        ConfigError, StalePlanError: there is none that can be run.
    """
    if not write:
        for name in ("file", "config", "environment"):
            origin = context.get_parameter_source({"environment": "env"}.get(name, name))
            if origin is not None and origin.name == "COMMANDLINE":
                raise UsageError("a plan is named, and no --write", hint="Add --write, or leave its name out.")
        return None
    records = Records(read_config(config.absolute(), environment, Surroundings.read()).state)
    decisions = records.stored_plan(file).decisions
    return StoredPlan(records=records, file=file, now=Setting(jobs=decisions.jobs, sort_memory=decisions.sort_memory))


def tuned(
    context: typer.Context,
    source: str | None,
    target: str | None,
    *,
    jobs: str,
    repeats: int,
    part: str,
    plan: StoredPlan | None,
    pg_bin: Sequence[Path],
    state: Path,
    err: Console,
    json: bool,
) -> TuneDone:
    """Try what the options name, and write down what won where that is asked for."""
    wishes = Wishes(jobs=_counts(jobs), repeats=repeats, part_bytes=_bytes(part))
    if plan is not None:
        wishes = Wishes(jobs=wishes.jobs, repeats=repeats, part_bytes=wishes.part_bytes, usual=plan.now)
    ours, theirs = both(context, source, target, err)
    doing = [""]

    def tell(number: str, setting: Setting, seconds: float | None) -> None:
        doing[0] = f"try {number}, {setting.options}: "
        if seconds is not None:
            err.print(doing[0] + duration(seconds), markup=False, highlight=False, soft_wrap=True)

    done = tune(
        ours,
        theirs,
        wishes,
        state=state,
        pg_bin=tuple(pg_bin),
        tell=tell,
        watching=shown_on(err, json=json, what=lambda: doing[0]),
    )
    if plan is None:
        return done
    return done.model_copy(update={"plan": str(plan.write(done.best))})


def _counts(text: str) -> tuple[int, ...]:
    if not text:
        return ()
    words = [word.strip() for word in text.split(",")]
    if not all(re.fullmatch("[0-9]{1,3}", word) and 1 <= int(word) <= MOST_JOBS for word in words):
        raise UsageError(f"--jobs: {text!r} are not numbers from 1 to {MOST_JOBS}", hint="For example --jobs 2,4,8.")
    return tuple(dict.fromkeys(int(word) for word in words))


def _bytes(text: str) -> int | None:
    if text.lower() == EVERYTHING:
        return None
    found = SIZE.fullmatch(text)
    if found is None or not float(found[1]):
        raise UsageError(f"--part: {text!r} is no size", hint="For example --part 500MB, --part 10GB or --part all.")
    return int(float(found[1]) * UNITS[found[2].lower()])
