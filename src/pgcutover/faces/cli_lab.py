"""`pgcutover lab …` and `pgcutover demo`."""

from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from pgcutover.faces import documents, live, render, report
from pgcutover.faces.consoles import console
from pgcutover.faces.output import emit

lab = typer.Typer(help="A world to practise in: real PostgreSQL, local Heroku and AWS APIs.", no_args_is_help=True)
out = console()
err = console(stderr=True)

Directory = Annotated[Path, typer.Option("--dir", help="The lab's directory.", metavar="D")]
Size = Annotated[str, typer.Option("--size", help="tiny (15 MB), small (30 MB) or medium (300 MB).")]
Speed = Annotated[float, typer.Option("--speed", help="How many times faster than real releases, boots and AWS.")]
Seed = Annotated[int, typer.Option("--seed", help="Makes data and delays repeatable.")]
World = Annotated[
    str,
    typer.Option(
        "--world", help="single (one app that moves) or whole (three apps, PgBouncer, a second credential, staging)."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


def _use_cases() -> ModuleType:
    """Loaded when it is wanted: a copy or a comparison of two databases is to start without it."""
    from pgcutover.app import lab

    return lab


@lab.command()
def up(dir_: Directory, size: Size = "small", speed: Speed = 1.0, seed: Seed = 1, world: World = "single") -> None:
    """Start a lab and print the environment to eval."""
    lab_world = _use_cases().world()
    lab_world.up(dir_.absolute(), size=size, speed=speed, seed=seed, world=world)
    for key, value in lab_world.environment(dir_.absolute()).items():
        out.print(f"export {key}='{value}'", soft_wrap=True, markup=False)


@lab.command()
def down(dir_: Directory) -> None:
    """Stop a lab: no process and no port is left."""
    _use_cases().world().down(dir_.absolute())


@lab.command()
def status(dir_: Directory, json: Json = False) -> None:
    """What of a lab is running."""
    state = _use_cases().world().status(dir_.absolute())
    emit(out, state, render.lab_status(state), json=json)


@lab.command()
def check(dir_: Directory, json: Json = False) -> None:
    """The ledger's verdict: acknowledged writes that are lost or doubled, outages, where each app is."""
    verdict = _use_cases().world().check(dir_.absolute())
    emit(out, verdict, render.ledger(verdict), json=json)


def demo(
    dir_: Directory = Path("demo"),
    size: Size = "small",
    speed: Speed = 10.0,
    back: Annotated[bool, typer.Option("--back/--no-back", help="Also show the way back.")] = True,
) -> None:
    """Move a live application in a lab, prove that nothing was lost, and go back."""
    result = _use_cases().demo(
        dir_.absolute(),
        size=size,
        speed=speed,
        back=back,
        listener=live.listener(err, json=False),
        say=lambda text: err.print(f"\n{text}", style="bold"),
        write_report=report.html,
        break_glass=documents.break_glass,
    )
    out.print(render.demo(result))
