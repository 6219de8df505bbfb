"""`python -m bench.verify_rate`: `pgcutover verify` beside what two servers can do at most, in one run.

The yardstick is both servers' own `sum(hashtextextended(t::text, 0))`, side by side, on all tables; it proves less (64
bits, one moment per table, settings as they happen to be) and is as fast as hashing a table's text can be. Repeats are
interleaved, so that a machine that slows down slows both. The ratio is of the middle times.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from pgcutover.lab.clusters import Cluster

PLACE = "/var/tmp"
USER = "bench"
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
    asked.add_argument("--mb", type=int, default=300, help="how much data, about")
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
            figures = _measured([_url(c) for c in clusters], repeats=wanted.repeats, jobs=wanted.jobs)
        finally:
            for cluster in clusters:
                cluster.stop()
    sys.stdout.write(json.dumps(figures, indent=2) + "\n" if wanted.json else _text(figures))
    return 0


def _url(cluster: Cluster) -> str:
    return f"postgres://{USER}:{USER}@127.0.0.1:{cluster.port}/{USER}"


def _fill(cluster: Cluster, rows: int) -> None:
    cluster.initdb()
    cluster.start()
    with cluster.superuser() as session:
        session.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{USER}'")
        session.execute(f"CREATE DATABASE {USER} OWNER {USER}")
    with psycopg.connect(_url(cluster), autocommit=True) as session:
        for name, content in TABLES.items():
            table = sql.Identifier(name)
            session.execute(sql.SQL("CREATE TABLE {} AS ").format(table) + sql.SQL(content.format(rows=rows)))
            session.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (id)").format(table))
        session.execute("VACUUM (ANALYZE)")


def _measured(urls: list[str], *, repeats: int, jobs: int) -> dict[str, Any]:
    servers, whole, rows = [], [], []
    for _ in range(repeats + 1):
        servers.append(_servers_own(urls))
        begun_s = time.monotonic()
        found = _verify(urls, jobs)
        whole.append(time.monotonic() - begun_s)
        rows.append(found["rows_seconds"])
    # The first of each warmed the caches.
    servers_s, whole_s, rows_s = (statistics.median(times[1:]) for times in (servers, whole, rows))
    data_bytes = sum(table["source_cost"]["bytes"] for table in found["tables"])
    return {
        "version": 1,
        "cores": os.cpu_count(),
        "jobs": jobs,
        "repeats": repeats,
        "data_mb_per_side": round(data_bytes / 1e6),
        "servers_own_s": round(servers_s, 2),
        "verify_rows_s": round(rows_s, 2),
        "verify_command_s": round(whole_s, 2),
        "ratio_rows": round(servers_s / rows_s, 2),
        "ratio_command": round(servers_s / whole_s, 2),
    }


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
    return "\n".join([*(f"{key:20} {value}" for key, value in figures.items()), ""])


if __name__ == "__main__":
    sys.exit(main())
