"""A command on two databases as a person types it: the URLs in the environment, the programs in the path."""

import os
import subprocess
import sys
from pathlib import Path

from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import binaries


def environ(source: Dsn, target: Dsn) -> dict[str, str]:
    named = {"PGCUTOVER_SOURCE": source.url().reveal(), "PGCUTOVER_TARGET": target.url().reveal()}
    path = os.pathsep.join([str(binaries(16)), str(binaries(18)), os.environ["PATH"]])
    return {**os.environ, **named, "PATH": path}


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "pgcutover", *words]


def typed(source: Dsn, target: Dsn, *words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """The command at its end; the lines of stderr are joined, because a terminal's width is no matter here."""
    done = subprocess.run(
        command(*words), env=environ(source, target), cwd=cwd, capture_output=True, text=True, check=False
    )
    done.stderr = " ".join(done.stderr.split())
    return done
