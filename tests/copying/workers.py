"""Jobs, and what workers do with them in tests of the crew.

Functions of a module, so that another process can be told their names.
"""

import os
import signal
import threading
import time
from pathlib import Path

from pgcutover.copying.chunk import ChunkJob, Copied
from pgcutover.edges.copystream import carry
from pgcutover.errors import CopyError
from pgcutover.facts.names import Dsn, TableName
from pgcutover.planning.chunks import Chunk


def chunk(name: str = "app.t", data_bytes: int = 1) -> Chunk:
    table = TableName(schema="app", name=name)
    return Chunk(
        name=name,
        table=table,
        tree=False,
        holders=(table,),
        columns=("a",),
        binary=True,
        freeze=True,
        unlogged=False,
        object_names=False,
        extremes=(),
        rows_estimate=1,
        data_bytes=data_bytes,
        storage="s",
    )


def job(run_id: str = "run", name: str = "app.t") -> ChunkJob:
    nowhere = Dsn(host="localhost", user="u", database="d")
    return ChunkJob(
        run_id=run_id, epoch=1, chunks=(chunk(name),), snapshot="s", source=nowhere, target=nowhere, claim="SELECT 1"
    )


def answer(job: ChunkJob) -> tuple[Copied, ...]:
    return (Copied(chunk=job.chunks[0].name, rows=os.getpid(), bytes=0, seconds=0),)


def refuse(job: ChunkJob) -> tuple[Copied, ...]:
    raise CopyError(f"{job.chunks[0].name} was refused", hint="Again.")


def die(job: ChunkJob) -> tuple[Copied, ...]:
    os.kill(os.getpid(), signal.SIGKILL)
    return answer(job)


def die_once(job: ChunkJob) -> tuple[Copied, ...]:
    """Dies at the first call with this run id, which is a path; answers afterwards."""
    flag = Path(job.run_id)
    if not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return answer(job)


def wait_long(job: ChunkJob) -> tuple[Copied, ...]:
    """Leaves its process id in the file that the run id names, then waits."""
    Path(job.run_id).write_text(str(os.getpid()))
    time.sleep(60)
    return answer(job)


def carry_and_die_once(flag: Path, job: ChunkJob) -> tuple[Copied, ...]:
    """Carries; but the first process to begin is killed in the middle of it."""
    try:
        flag.touch(exist_ok=False)
    except FileExistsError:
        return carry(job)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGKILL)).start()
    return carry(job)
