"""A person's shell beside a lab: Heroku's own command line, psql, and nothing of pgcutover."""

import fcntl
import os
import re
import select
import shutil
import struct
import subprocess
import termios
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
from lab_driver import APP, Lab

from pgcutover.lab.layout import LabLayout

SYSTEM = "/usr/local/bin:/usr/bin:/bin"
LINES, COLUMNS = 50, 240
BLOCK_LIMIT_S = 240
ENDED = re.compile(r"^block-ended-(\d+)$", re.MULTILINE)


def program() -> Path:
    """The `heroku` to drive: HEROKU_CLI, or the one on the PATH."""
    found = os.environ.get("HEROKU_CLI") or shutil.which("heroku")
    if found is None:
        pytest.fail("no heroku program: npm install heroku, then set HEROKU_CLI to node_modules/.bin/heroku")
    return Path(found)


def environment(lab: Lab, home: Path) -> dict[str, str]:
    """What the person has: HOME, the lab's variables, and a PATH without pgcutover."""
    # It starts itself again by name.
    path = f"{program().parent}:{LabLayout(lab.directory).clients / '16' / 'bin'}:{SYSTEM}"
    assert shutil.which("pgcutover", path=path) is None
    quiet = {
        "HEROKU_SKIP_ANALYTICS": "1",
        "HEROKU_DISABLE_AUTOUPDATE": "1",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "COLUMNS": str(COLUMNS),
    }
    return {**lab.environment, **quiet, "HOME": str(home), "PATH": path}


@dataclass(frozen=True, kw_only=True)
class Person:
    """Types one command after another."""

    lab: Lab
    home: Path

    def heroku(self, *words: str, status: int = 0, app: str = APP) -> str:
        """Run a command; both its streams. It must end with this status."""
        done = subprocess.run(
            [str(program()), *words, "-a", app],
            env=environment(self.lab, self.home),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (words, status) == (words, done.returncode), done.stdout + done.stderr
        # Errors come wrapped into a box; a new home's first command warns of the terms of service.
        errors = " ".join(done.stderr.replace("›", " ").split())
        return done.stdout + re.sub(r"Warning: Our terms of service have changed: \S+", "", errors).strip()

    def terminal(self) -> "Terminal":
        return Terminal(environment(self.lab, self.home), self.home)


class Terminal:
    """An interactive bash on a terminal, into which a person pastes."""

    def __init__(self, environment: dict[str, str], home: Path) -> None:
        self.shown = ""
        self._screen, slave = os.openpty()
        os.set_blocking(self._screen, False)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self._shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-i"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=home,
            env={**environment, "PS1": "$ "},
            start_new_session=True,
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._shell.kill()
        self._shell.wait()
        os.close(self._screen)

    def paste(self, block: str) -> str:
        """Paste a block as a whole and wait until its last command has ended; what was shown meanwhile.

        Without bracketed paste: what is not read yet waits in the terminal, and whoever asks for input gets it.
        """
        data = f"{block}printf 'block-%s-%d\\n' ended $?\n".encode()
        begun, deadline = len(self.shown), time.monotonic() + BLOCK_LIMIT_S
        while not ENDED.search(self.shown, begun):
            assert time.monotonic() < deadline, self.shown[begun:]
            readable, writable, _ = select.select([self._screen], [self._screen] if data else [], [], 1)
            if readable:
                self.shown += os.read(self._screen, 65536).decode(errors="replace").replace("\r", "")
            if writable:
                data = data[os.write(self._screen, data[:512]) :]
        return self.shown[begun:]
