"""`pgcutover host …`: a machine next to the target, to run pgcutover on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pgcutover.config import Surroundings, read_config
from pgcutover.faces import render
from pgcutover.faces.asking import asker
from pgcutover.faces.consoles import console
from pgcutover.faces.options import DEFAULT, Config, DryRun, Environment, Json, Yes
from pgcutover.faces.output import emit

if TYPE_CHECKING:
    from pgcutover.app.host import Host

host = typer.Typer(help="A machine of EC2 next to the target, so that no data makes a detour.", no_args_is_help=True)


@contextmanager
def _host(config: Path, environment: str | None) -> Iterator["Host"]:
    # Loaded here: with boto3 it takes longer than all the rest.
    from pgcutover.app.host import Host

    with Host(read_config(config.absolute(), environment, Surroundings.read())) as opened:
        yield opened


def _tell(text: str) -> None:
    console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True)


@host.command()
def up(
    config: Config = DEFAULT, env: Environment = None, dry_run: DryRun = False, yes: Yes = False, json: Json = False
) -> None:
    """Make the machine, install what a move needs, and say how to log in. Again, it makes what is missing."""
    with _host(config, env) as opened:
        if dry_run:
            planned = opened.planned()
            emit(console(), planned, render.host_planned(planned), json=json)
            return
        state = opened.up(ask=asker(yes=yes, code=""), tell=_tell)
    # Whole lines: they are there to be pasted.
    emit(console(), state, render.host_state(state), json=json, wrapped=False)


@host.command()
def status(config: Config = DEFAULT, env: Environment = None, json: Json = False) -> None:
    """Whether there is a machine, and how to log in."""
    with _host(config, env) as opened:
        state = opened.status()
    emit(console(), state, render.host_state(state), json=json, wrapped=False)


@host.command()
def down(config: Config = DEFAULT, env: Environment = None, yes: Yes = False, json: Json = False) -> None:
    """Remove the machine and what was made for it; nothing else. Twice does no harm."""
    with _host(config, env) as opened:
        gone = opened.down(ask=asker(yes=yes, code=""), tell=_tell)
    emit(console(), gone, render.host_gone(gone), json=json)
