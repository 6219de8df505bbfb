"""`python -m bench.verify_rate`: `pgcutover verify` beside what two servers can do at most, in one run.

The yardstick is both servers' own `sum(hashtextextended(t::text, 0))`, side by side, on all tables; it proves less (64
bits, one moment per table, settings as they happen to be) and is as fast as hashing a table's text can be. Repeats are
interleaved, so that a machine that slows down slows both. Each ratio is of the middle times.

Three things are told apart: the whole command; what it costs whatever the size, which is the same command on a database
without tables; and what grows with the data, which is the rest. Time on the clock is what a person waits, and depends
on who else uses the machine; the servers' processor time (Linux only) hardly does.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from pgcutover.lab.clusters import Cluster

PLACE = "/var/tmp"
USER = "bench"
EMPTY = "empty"
ROWS_PER_MB = 4_000
TABLES = {
    "orders": "SELECT i AS id, i % 1000 AS customer, i * 1.01 AS total, "
    "timestamptz '2024-01-01 UTC' + i * interval '1 s' AS at FROM generate_series(1, {rows}) AS i",
    "people": "SELECT md5(i::text)::uuid AS id, 'u' || i || '@example.com' AS email, repeat(md5(i::text), 8) AS about, "
    "jsonb_build_object('a', i, 'b', md5(i::text)) AS extra FROM generate_series(1, {rows} / 4) AS i",
    "events": "SELECT i AS id, md5(i::text) AS kind, i % 7 = 0 AS seen, i / 3.0::float8 AS weight "
    "FROM generate_series(1, {rows}) AS i",
}


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m bench.verify_rate", description="The rate of verify.")
    asked.add_argument("--mb", type=int, default=300, help="how much data a side, about")
    asked.add_argument("--repeats", type=int, default=5)
    asked.add_argument("--jobs", type=int, default=4, help="sessions on each side; the servers' own use what they like")
    asked.add_argument("--json", action="store_true", help="print one JSON document")
    wanted = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="pgcutover-bench-", dir=PLACE) as made:
        directory = Path(made)
        directory.chmod(0o755)
        clusters = [Cluster(directory / f"pg{major}", major) for major in (16, 18)]
        try:
            for cluster in clusters:
                _fill(cluster, wanted.mb * ROWS_PER_MB)
            figures = _measured(clusters, repeats=wanted.repeats, jobs=wanted.jobs)
        finally:
            for cluster in clusters:
                cluster.stop()
    sys.stdout.write(json.dumps(figures, indent=2) + "\n" if wanted.json else _text(figures))
    return 0


def _url(cluster: Cluster, database: str = USER) -> str:
    return f"postgres://{USER}:{USER}@127.0.0.1:{cluster.port}/{database}"


def _fill(cluster: Cluster, rows: int) -> None:
    cluster.initdb()
    cluster.start()
    with cluster.superuser() as session:
        session.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{USER}'")
        for database in (USER, EMPTY):
            session.execute(f"CREATE DATABASE {database} OWNER {USER}")
    with psycopg.connect(_url(cluster), autocommit=True) as session:
        for name, content in TABLES.items():
            table = sql.Identifier(name)
            session.execute(sql.SQL("CREATE TABLE {} AS ").format(table) + sql.SQL(content.format(rows=rows)))
            session.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (id)").format(table))
        session.execute("VACUUM (ANALYZE)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spent:
    seconds: float
    servers_cpu_s: float


def _measured(clusters: list[Cluster], *, repeats: int, jobs: int) -> dict[str, Any]:
    full, empty = ([_url(c, name) for c in clusters] for name in (USER, EMPTY))
    found: dict[str, Any] = {}
    rows: list[float] = []

    def proved() -> None:
        found.update(_verify(full, jobs))
        rows.append(found["rows_seconds"])

    tried: dict[str, Callable[[], Any]] = {
        "servers_own": lambda: _servers_own(full),
        "verify": proved,
        "fixed": lambda: _verify(empty, jobs),
    }
    # The first of each warms the caches.
    rounds = [{name: _spent(clusters, work) for name, work in tried.items()} for _ in range(repeats + 1)][1:]
    clock = {name: statistics.median(spent[name].seconds for spent in rounds) for name in tried}
    cpu = {name: statistics.median(spent[name].servers_cpu_s for spent in rounds) for name in tried}
    rows_s = statistics.median(rows[1:])
    data_s, data_cpu_s = clock["verify"] - clock["fixed"], cpu["verify"] - cpu["fixed"]
    return {
        "version": 2,
        "cores": os.cpu_count(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "jobs": jobs,
        "repeats": repeats,
        "data_mb_per_side": round(sum(table["source_cost"]["bytes"] for table in found["tables"]) / 1e6),
        "servers_own_s": round(clock["servers_own"], 2),
        "verify_command_s": round(clock["verify"], 2),
        "verify_fixed_s": round(clock["fixed"], 2),
        "verify_rows_s": round(rows_s, 2),
        "ratio_rows": round(clock["servers_own"] / rows_s, 2),
        "ratio_command_less_fixed": round(clock["servers_own"] / data_s, 2),
        "ratio_command": round(clock["servers_own"] / clock["verify"], 2),
        "servers_own_cpu_s": round(cpu["servers_own"], 2),
        "verify_cpu_s": round(cpu["verify"], 2),
        "fixed_cpu_s": round(cpu["fixed"], 2),
        "ratio_cpu_less_fixed": round(cpu["servers_own"] / data_cpu_s, 2) if data_cpu_s else None,
    }


def _spent(clusters: list[Cluster], work: Callable[[], Any]) -> _Spent:
    before_s, begun_s = _cpu_s(clusters), time.monotonic()
    work()
    seconds = time.monotonic() - begun_s
    # A session that has just ended counts when its postmaster has seen it.
    time.sleep(0.2)
    return _Spent(seconds=seconds, servers_cpu_s=_cpu_s(clusters) - before_s)


def _cpu_s(clusters: list[Cluster]) -> float:
    """Of the postmasters and of all their sessions that have ended; 0 where there is no /proc."""
    return sum(_cpu_ticks(c.postmaster.pid) for c in clusters if c.postmaster) / os.sysconf("SC_CLK_TCK")


def _cpu_ticks(pid: int) -> int:
    # utime, stime, cutime, cstime. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    stat = Path(f"/proc/{pid}/stat")
    return sum(map(int, stat.read_text().rpartition(")")[2].split()[11:15])) if stat.exists() else 0


def _servers_own(urls: list[str]) -> float:
    begun_s = time.monotonic()
    with ThreadPoolExecutor(len(urls)) as pool:
        sums = [*pool.map(_sums, urls)]
    if any(other != sums[0] for other in sums):
        raise SystemExit("the two servers do not hold the same: nothing was measured")
    return time.monotonic() - begun_s


def _sums(url: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as session:
        # Without this, two versions print a float alike by chance only.
        session.execute("SET extra_float_digits = 3; SET timezone = 'UTC'")
        statement = sql.SQL("SELECT sum(hashtextextended(t::text, 0)) FROM {} AS t")
        return [session.execute(statement.format(sql.Identifier(name))).fetchone() for name in TABLES]


def _verify(urls: list[str], jobs: int) -> dict[str, Any]:
    environ = {**os.environ, "PGCUTOVER_SOURCE": urls[0], "PGCUTOVER_TARGET": urls[1]}
    command = [sys.executable, "-m", "pgcutover", "verify", "--json", "--jobs", str(jobs)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode > 1:
        raise SystemExit(f"verify ended with {done.returncode}: {done.stdout}{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _text(figures: dict[str, Any]) -> str:
    return "\n".join([*(f"{key:26} {value}" for key, value in figures.items()), ""])


if __name__ == "__main__":
    sys.exit(main())
