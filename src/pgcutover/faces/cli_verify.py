"""The options of `verify`, and how its databases are named.

A URL on a command line is read by everybody on the machine (`ps`), so a password in it is warned about; environment
variables, services and ~/.pgpass are not seen so.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pgcutover.app.compared import Comparison
from pgcutover.app.comparison import Looking, compare_databases
from pgcutover.app.endpoints import endpoint
from pgcutover.errors import ConfigError, UsageError
from pgcutover.faces.options import database_option
from pgcutover.faces.watching import watched
from pgcutover.facts.names import Dsn

Source = Annotated[
    str | None, database_option("source", "The database to compare with: a postgres:// URL or service=NAME.")
]
Target = Annotated[str | None, database_option("target", "The database to compare.")]
ShowKeys = Annotated[bool, typer.Option("--show-keys", help="Print the keys of rows that differ; they are data.")]
Limit = Annotated[
    int, typer.Option(min=0, help="Name so many differing rows of each table; 0: do not look for rows.", metavar="N")
]
Jobs = Annotated[int, typer.Option(min=1, max=64, help="Sessions on each side.", metavar="N")]

AcceptUnverified = Annotated[
    list[str] | None,
    typer.Option(help="Switch although this table could not be verified; journalled.", metavar="TABLE=REASON"),
]

# As SQL spells names: a quoted part may hold any sign, a quote twice.
SPELT = re.compile(r'((?:[^"=]|"(?:[^"]|"")*")*)=(.*)', re.DOTALL)
OTHERS = (
    "Or compare any two databases, for which no configuration is needed: --source URL and --target URL, or "
    "PGCUTOVER_SOURCE and PGCUTOVER_TARGET."
)
TELL_ALL = "a password on the command line can be seen by everybody on this machine: use PGCUTOVER_{}, or ~/.pgpass"


def table_and_reason(text: str) -> tuple[str, str]:
    """The halves of TABLE=REASON.

    Raises:
        UsageError: one of them is missing: nobody accepts anything without saying why.
    """
    quoted = SPELT.fullmatch(text)
    table, reason = quoted.groups() if quoted else text.partition("=")[::2]
    if not table.strip() or not reason.strip():
        raise UsageError(f"{text!r} is not TABLE=REASON", hint="For example public.legacy=empty since 2019, checked.")
    return table.strip(), reason.strip()


def compared(
    context: typer.Context,
    source: str | None,
    target: str | None,
    looking: Looking,
    *,
    of_run: Callable[[Looking], Comparison],
    err: Console,
    json: bool,
) -> Comparison:
    """Compare what the options name, or the run's databases when they name none; `err` shows how far it is."""
    if not source and not target:
        with watched(looking.tally, err, json=json):
            return of_run(looking)
    if not source or not target:
        lacking = "target" if source else "source"
        raise UsageError(
            f"give both --source and --target, or neither: there is no --{lacking} and no PGCUTOVER_{lacking.upper()}, "
            "and the other one is given",
            hint="Neither, and neither variable: the run's databases.",
        )
    for name in ("config", "env"):
        if _given(context, name):
            raise UsageError(
                f"--{name} means the run's databases, but others are named",
                hint="Leave it out; or unset PGCUTOVER_SOURCE and PGCUTOVER_TARGET and give no --source, no --target.",
            )
    named = {name: _endpoint(name, text) for name, text in (("source", source), ("target", target))}
    for name, dsn in named.items():
        warn(context, name, dsn, err)
    with watched(looking.tally, err, json=json):
        return compare_databases(named["source"], named["target"], looking)


def or_others(error: ConfigError, config: Path) -> ConfigError:
    """The error; where there is no configuration at all, with the way that needs none."""
    if config.exists():
        return error
    return ConfigError(error.message, hint=" ".join(filter(None, (error.hint, OTHERS))))


def _endpoint(name: str, text: str) -> Dsn:
    try:
        return endpoint(text)
    except ConfigError as error:
        raise ConfigError(f"--{name} (PGCUTOVER_{name.upper()}): {error.message}", hint=error.hint) from error


def _given(context: typer.Context, name: str) -> bool:
    origin = context.get_parameter_source(name)
    return origin is not None and origin.name == "COMMANDLINE"


def warn(context: typer.Context, name: str, dsn: Dsn, err: Console) -> None:
    if dsn.password and _given(context, name):
        err.print(f"warning: {TELL_ALL.format(name.upper())}", markup=False)
