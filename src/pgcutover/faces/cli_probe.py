"""`pgcutover probe`: its options, and which of its use cases they mean."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pgcutover.app.people import Ask
from pgcutover.config import STATE_DIRECTORY, Surroundings
from pgcutover.errors import UsageError
from pgcutover.faces import render
from pgcutover.faces.output import emit

Region = Annotated[str, typer.Option(help="AWS region, and with eu-west-1 Heroku's region eu.", metavar="REGION")]
HerokuOnly = Annotated[bool, typer.Option("--heroku-only", help="Make and look at nothing on AWS.")]
AwsOnly = Annotated[bool, typer.Option("--aws-only", help="Make and look at nothing on Heroku.")]
TranscriptFile = Annotated[
    Path | None,
    typer.Option("--transcript", help="Where requests and answers go, redacted; a new file.", metavar="FILE"),
]
Clean = Annotated[bool, typer.Option("--clean", help="Only remove what an earlier probe left that died.")]


def probed(
    *,
    region: str,
    heroku_only: bool,
    aws_only: bool,
    transcript: Path | None,
    clean: bool,
    dry_run: bool,
    asker: Callable[[], Ask],
    out: Console,
    err: Console,
    json: bool,
) -> None:
    """Do what the options name, and print it.

    Raises:
        ProbeError: something is otherwise than predicted, could not be looked at, or is left; all was printed before.
    """
    # Loaded here: most commands need neither Heroku nor AWS to start.
    from pgcutover.app.probe import Probe, wishes_of

    wishes = wishes_of(region=region, heroku_only=heroku_only, aws_only=aws_only, transcript=transcript)

    def tell(text: str) -> None:
        err.print(text, markup=False, highlight=False, soft_wrap=True)

    probe = Probe(Path(STATE_DIRECTORY).absolute(), Surroundings.read(), tell)
    if clean:
        if heroku_only or aws_only or transcript or dry_run:
            raise UsageError("--clean takes no other option but --json", hint="It removes all that probes left here.")
        cleaned = probe.clean()
        emit(out, cleaned, render.probe_cleaned(cleaned), json=json)
        return
    if dry_run:
        proposal = probe.proposal(wishes)
        emit(out, proposal, render.probe_proposal(proposal), json=json)
        return
    done = probe.run(wishes, ask=asker())
    emit(out, done, render.probed(done), json=json)
    done.raise_unless_right()
