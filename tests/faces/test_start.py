"""How the program starts, and what it ends with when it cannot."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path


def test_an_installation_that_cannot_start_ends_with_no_verdict(tmp_path: Path) -> None:
    """A library that does not load is 70 and a message: 1, Python's own end, would read as a verdict of verify."""
    (tmp_path / "psycopg.py").write_text("raise ImportError('no pq wrapper available')\n")
    said = subprocess.run(
        [sys.executable, "-m", "pgcutover", "verify", "--source", "service=a", "--target", "service=b"],
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert 70 == said.returncode, said.stderr
    assert "Traceback" not in said.stderr
    assert "cannot start: ImportError: no pq wrapper available" in said.stderr
    assert "hint: " in said.stderr


def test_the_version_is_told() -> None:
    """That of the installed package, and exit code 0."""
    command = [sys.executable, "-m", "pgcutover", "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (0, f"pgcutover {version('pgcutover')}\n") == (said.returncode, said.stdout)
