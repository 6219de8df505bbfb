"""Options that several commands have."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pgcutover.config import CONFIG_FILE

DEFAULT = Path(CONFIG_FILE)

Config = Annotated[Path, typer.Option("--config", help="The configuration file.", metavar="FILE")]
Environment = Annotated[str | None, typer.Option("--env", help="Environment; default: the only one.", metavar="NAME")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; for machines.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be called, touch nothing.")]


def database_option(side: str, text: str) -> Any:
    """`--source` or `--target` where any database may be named: its URL or service, or PGCUTOVER_SIDE."""
    return typer.Option(help=text, envvar=f"PGCUTOVER_{side.upper()}", metavar="URL", show_envvar=True)
