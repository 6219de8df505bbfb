"""How much memory a copy holds, however much it carries."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from typed import command, environ

from little_database import rows_of, run_sql
from pgcutover.facts.names import Dsn

MB = 2**20
LIMIT_MB = 150
ROW_MB = 300

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def most_mb(source: Dsn, target: Dsn, cwd: Path, *words: str) -> float:
    """What the command and its workers hold at most, shared pages counted once."""
    process = subprocess.Popen(
        command("copy", *words),
        env=environ(source, target),
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    most = [0.0]

    def watch() -> None:
        while process.poll() is None:
            most[0] = max(most[0], sum(map(_held_mb, _tree(process.pid))))
            time.sleep(0.03)

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert 0 == process.wait(timeout=200)
    watcher.join()
    return most[0]


def _tree(pid: int) -> list[int]:
    below: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            below += map(int, children.read_text().split())
        except OSError:
            continue
    return [pid, *(each for child in below for each in _tree(child))]


def _held_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def test_memory_does_not_grow_with_a_table(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """Four tables of 40 MB at once fit into what one of them would need."""
    for name in "abcd":
        run_sql(source, f"CREATE TABLE {name} (id int, v text); ALTER TABLE {name} ALTER v SET STORAGE EXTERNAL")
        run_sql(source, f"INSERT INTO {name} SELECT i, repeat(md5(i::text), 200) FROM generate_series(1, 6000) AS i")
    assert LIMIT_MB > most_mb(source, target, tmp_path)


@pytest.mark.full
def test_a_huge_row_is_held_once(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """A value of 300 MB takes 300 MB, not as much for each that hands it on."""
    run_sql(source, "CREATE TABLE t (id int, v bytea); ALTER TABLE t ALTER v SET STORAGE EXTERNAL")
    run_sql(source, f"INSERT INTO t SELECT 1, convert_to(repeat('x', {ROW_MB * MB}), 'UTF8')")
    assert LIMIT_MB + ROW_MB > most_mb(source, target, tmp_path)
    assert [(ROW_MB * MB,)] == rows_of(target, "SELECT length(v) FROM public.t")
