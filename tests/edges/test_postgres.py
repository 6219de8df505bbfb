"""What every session of ours asks of its server."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from fenced_database import Fenced, fenced_database
from little_database import job
from pgcutover.edges.copystream.session import session
from pgcutover.edges.moment import at_one_moment
from pgcutover.edges.postgres import LOOKED_FOR

AT_WORK = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND application_name = 'pgcutover doomed'"
ENDLESS = """
WITH RECURSIVE n (i) AS (SELECT 1::numeric UNION ALL SELECT i + 1 FROM n) SELECT count(md5(i::text)) FROM n
"""
DOOMED = """
import sys
from pgcutover.edges.postgres import Server
from pgcutover.facts.names import Dsn, Secret

host, port, user, database, statement = sys.argv[1:]
dsn = Dsn(host=host, port=int(port), user=user, password=Secret(input()), database=database)
soon = {"client_connection_check_interval": "200"}
with Server(dsn=dsn, side="source", settings=soon).session("doomed") as connection:
    connection.execute(statement.encode())
"""


@pytest.fixture(params=[16, 18])
def database(request: pytest.FixtureRequest) -> Iterator[Fenced]:
    with fenced_database(request.getfixturevalue(f"cluster{request.param}"), filled=False) as found:
        yield found


def at_work(database: Fenced, count: int, *, within_s: float) -> bool:
    """Whether so many sessions of the doomed process are at work before time is up."""
    deadline = time.monotonic() + within_s
    while database.one(AT_WORK) != count:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_killed_process_leaves_nothing_at_work(database: Fenced) -> None:
    """A statement that would run for ever ends with the process that asked, though nobody is left to cancel it."""
    dsn = database.owner
    command = [sys.executable, "-c", DOOMED, dsn.host, str(dsn.port), dsn.user, dsn.database, ENDLESS]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(f"{dsn.password.reveal()}\n".encode())
        process.stdin.flush()
        assert at_work(database, 1, within_s=30)
        os.kill(process.pid, signal.SIGKILL)
    assert at_work(database, 0, within_s=5)


def test_every_kind_of_session_is_looked_for(database: Fenced) -> None:
    """Those of psycopg, also inside a shared snapshot, and those of asyncpg."""
    ((name, wanted),) = LOOKED_FOR.items()
    asked = f"SELECT setting FROM pg_settings WHERE name = '{name}'"
    with database.server.session("test") as connection:
        assert (wanted,) == connection.execute(asked).fetchone()
    with at_one_moment(database.server) as moment, moment.session() as connection:
        assert (wanted,) == connection.execute(asked).fetchone()

    database.as_owner("CREATE TABLE public.t (id integer)")
    chunk = job(database.owner, database.owner, "public.t", "")

    async def over_asyncpg() -> object:
        async with session(database.owner, "source", chunk, {}, lambda _: None) as opened:
            return await opened.fetchval(asked)

    assert wanted == asyncio.run(over_asyncpg())
