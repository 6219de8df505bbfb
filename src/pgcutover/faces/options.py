"""Options that several commands have."""

from typing import Any

import typer


def database_option(side: str, text: str) -> Any:
    """`--source` or `--target` where any database may be named: its URL or service, or PGCUTOVER_SIDE."""
    return typer.Option(help=text, envvar=f"PGCUTOVER_{side.upper()}", metavar="URL", show_envvar=True)
