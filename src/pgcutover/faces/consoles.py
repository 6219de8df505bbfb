"""The one place that makes rich consoles: as wide as the terminal, or 100 columns into a file or pipe."""

import os
import sys
from typing import NoReturn

from rich.console import Console

COLUMNS_IN_A_FILE = 100
"""Rich takes 80 for a pipe; the tables here are made for 100, and a log has no edge."""


BROKEN_PIPE = 141
"""What a shell shows for a program that SIGPIPE ended."""


class PipedConsole(Console):
    """Rich ends a program whose reader went away with exit code 1, which is a verdict of `verify`."""

    def on_broken_pipe(self) -> NoReturn:
        """Let nothing more be written, so that the interpreter's last flush cannot fail, and end as SIGPIPE would."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(BROKEN_PIPE)


def console(*, stderr: bool = False) -> Console:
    """Colour only on a terminal, and not where NO_COLOR is set (https://no-color.org)."""
    stream = sys.stderr if stderr else sys.stdout
    # COLUMNS is what a person sets to say otherwise.
    width = None if stream.isatty() or "COLUMNS" in os.environ else COLUMNS_IN_A_FILE
    return PipedConsole(file=stream, width=width, highlight=False, soft_wrap=False, emoji=False, markup=False)
