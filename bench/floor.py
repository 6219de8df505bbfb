"""The floor: what the two servers themselves must do, however it is ordered, in processor seconds over the cores.

It is the sum of the sessions' own user and system time for: COPY of every table to binary on the source; COPY of it
from binary with FREEZE on the target; every index built, one after the other; every foreign key validated; ANALYZE.
Who has the servers do these things as they would by themselves cannot be faster while the cores do nothing else.
"""

import os
import tempfile
from pathlib import Path

import psycopg
from bench.shapes import Shape
from bench.world import Pair
from psycopg import sql

INDEXES = """
SELECT pg_get_indexdef(i.indexrelid), con.conname, c.relname, i.indisprimary
  FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
  LEFT JOIN pg_constraint AS con ON con.conindid = i.indexrelid AND con.contype IN ('p', 'u')
 WHERE c.relnamespace = 'public'::regnamespace ORDER BY c.relname, i.indisprimary DESC, i.indexrelid"""
KEYS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
 WHERE contype = 'f' AND connamespace = 'public'::regnamespace ORDER BY 1, 2"""
COLUMNS = """
SELECT c.relname, string_agg(format('%I %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
       CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END), ', ' ORDER BY a.attnum)
  FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace GROUP BY c.relname ORDER BY c.relname"""
STORAGE = """
SELECT format('ALTER TABLE %I ALTER %I SET STORAGE EXTERNAL', c.relname, a.attname)
  FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid JOIN pg_type AS t ON t.oid = a.atttypid
 WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND a.attstorage = 'e'
   AND t.typstorage <> 'e'"""


def floor_s(pair: Pair, shape: Shape) -> dict[str, float]:
    """Processor seconds of each part, and `floor`: their sum over the number of cores."""
    pair.empty()
    with (
        psycopg.connect(pair.source_url(shape), autocommit=True) as source,
        psycopg.connect(pair.target_url, autocommit=True) as target,
    ):
        ours, theirs = _Session(source), _Session(target)
        parts = {"copy_out": 0.0, "copy_in": 0.0}
        tables = source.execute(COLUMNS).fetchall()
        for name, columns in tables:
            target.execute(f'CREATE TABLE "{name}" ({columns})'.encode())
        for (statement,) in source.execute(STORAGE).fetchall():
            target.execute(statement.encode())
        for name, _ in tables:
            out_s, in_s = _copied(ours, theirs, name)
            parts["copy_out"] += out_s
            parts["copy_in"] += in_s
        begun = theirs.cpu_s()
        for definition, constraint, table, primary in source.execute(INDEXES).fetchall():
            target.execute(definition.encode())
            if constraint:
                kind = "PRIMARY KEY" if primary else "UNIQUE"
                adopt = f'ALTER TABLE "{table}" ADD CONSTRAINT "{constraint}" {kind} USING INDEX "{constraint}"'
                target.execute(adopt.encode())
        parts["indexes"] = theirs.cpu_s() - begun
        begun = theirs.cpu_s()
        for table, name, definition in source.execute(KEYS).fetchall():
            target.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}'.encode())
        parts["foreign_keys"] = theirs.cpu_s() - begun
        begun = theirs.cpu_s()
        target.execute("ANALYZE")
        parts["analyze"] = theirs.cpu_s() - begun
    cores = len(os.sched_getaffinity(0))
    return {**{name: round(s, 2) for name, s in parts.items()}, "floor": round(sum(parts.values()) / cores, 2)}


class _Session:
    """A session and the clock of its server process. No parallel workers: their time would be somebody else's."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        connection.execute("SET max_parallel_maintenance_workers = 0")
        # With the server's own 128 MB sorts take longer: see docs/performance.md.
        connection.execute("SET maintenance_work_mem = '32MB'")
        connection.execute("SET max_parallel_workers_per_gather = 0")
        self._stat = Path(f"/proc/{connection.info.backend_pid}/stat")

    def cpu_s(self) -> float:
        return sum(map(int, self._stat.read_text().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def _copied(ours: _Session, theirs: _Session, table: str) -> tuple[float, float]:
    """Through a file, so that neither waits for the other, nor for us; processor seconds out and in."""
    name = sql.Identifier(table)
    with tempfile.TemporaryFile(dir="/var/tmp") as file:
        begun = ours.cpu_s()
        with ours.connection.cursor().copy(sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(name)) as rows:
            for buffer in rows:
                file.write(buffer)
        out_s = ours.cpu_s() - begun
        file.seek(0)
        begun = theirs.cpu_s()
        with theirs.connection.transaction():
            theirs.connection.execute(sql.SQL("TRUNCATE {}").format(name))
            statement = sql.SQL("COPY {} FROM STDIN (FORMAT binary, FREEZE)").format(name)
            with theirs.connection.cursor().copy(statement) as rows:
                while buffer := file.read(2**18):
                    rows.write(buffer)
        return out_s, theirs.cpu_s() - begun
