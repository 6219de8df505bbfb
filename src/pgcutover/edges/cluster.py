"""Workers on other machines, over a Dask scheduler, as an executor that the crew can use.

Jobs go to one named worker each, past Dask's own tasks: those it would begin again by itself when a worker dies, which
is the crew's to decide, and their arguments it unpacks on the scheduler and shows on its pages. A connection string
with its password is thus opened only by the worker that needs it. It must not know what a job does. Invariants: nothing
is sent where others could read it; a worker is given no job before its version and its way to both databases were
looked at, and no more jobs at once than it has threads.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ParamSpec, TypeAlias, TypeVar

from pgcutover.edges.copystream import unreachable
from pgcutover.errors import CopyError, PgcutoverError, RefusedError, ToolError, UsageError
from pgcutover.facts.cluster import ClusterPlace, kept_from_others
from pgcutover.facts.names import Dsn

Client: TypeAlias = Any
"""Dask's; its types are partial."""
P = ParamSpec("P")
T = TypeVar("T")

CONNECT_S = 10.0
PATIENCE_S = 30.0
"""How long none may be there: a machine that was just started brings its worker in less."""
LOOK_S = 1.0
PROGRAM = "pgcutover"
# What it has to say becomes an error of ours; on standard error it would stand between the lines of ours.
QUIET = ("distributed", "distributed.client", "distributed.core", "distributed.comm", "distributed.gc", "tornado")
INSTALL = "pip install 'pgcutover[cluster]'"
RESUME = "Run the same command again: what arrived stays."


class WorkerLostError(BrokenExecutor):
    """The worker is gone, and with it whatever it was doing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a job gave. An error of ours is a value: Dask would log one that is raised, and what it came from, where a
    driver's error quotes rows."""

    value: Any = None
    error: PgcutoverError | None = None


async def aboard(work: Callable[[], Any], dask_worker: Any) -> Answer:
    """On the worker: do it in one of its threads. Dask fills in `dask_worker` by that name."""
    try:
        loop = asyncio.get_running_loop()
        return Answer(await loop.run_in_executor(dask_worker.executors["default"], work))
    except PgcutoverError as error:
        return Answer(error=error)
    except Exception as error:  # noqa: BLE001  (what is raised here looks, on the other side, like the way here)
        return Answer(error=CopyError(f"a worker could not do it: {type(error).__name__}", hint=RESUME))


@contextmanager
def open_cluster(
    place: ClusterPlace,
    source: Dsn,
    target: Dsn,
    *,
    connect_s: float = CONNECT_S,
    patience_s: float = PATIENCE_S,
) -> Iterator["Cluster"]:
    """A cluster of which every worker can carry between these two databases; nothing of it is touched yet.

    Raises:
        ToolError: the library is not installed, the scheduler cannot be reached, or no worker came.
        RefusedError: a worker is unfit; each is named with its host.
        UsageError: TLS is asked for, and there are no certificates.
    """
    cluster = Cluster(place=place, source=source, target=target, connect_s=connect_s, patience_s=patience_s)
    try:
        cluster.gather()
        yield cluster
    finally:
        cluster.close()


@dataclass(slots=True)
class _Worker:
    threads: int
    busy: int = 0


@dataclass(slots=True, kw_only=True)
class Cluster:
    place: ClusterPlace
    source: Dsn
    target: Dsn
    connect_s: float = CONNECT_S
    patience_s: float = PATIENCE_S
    _client: Client = None
    _workers: dict[str, _Worker] = field(default_factory=dict)
    """Those that are fit, by address."""
    _unfit: dict[str, str] = field(default_factory=dict)
    """And why."""
    _gone: set[str] = field(default_factory=set)
    """Those that we know to be gone before the scheduler does; for half a minute it would try to connect to them."""
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _gathering: threading.Lock = field(default_factory=threading.Lock)

    @property
    def threads(self) -> int:
        """Jobs that all workers together can do at once."""
        with self._changed:
            return sum(worker.threads for worker in self._workers.values())

    def gather(self) -> None:
        """Connect, wait for the first worker, and look at all that are there."""
        self._connect()
        deadline = time.monotonic() + self.patience_s
        while not (listed := self._listed()):
            if time.monotonic() > deadline:
                raise ToolError(
                    f"scheduler {self.place.address} has no worker",
                    hint=f"Start some: dask worker {self.place.address}, with the same certificates.",
                )
            time.sleep(min(LOOK_S, self.patience_s))
        self._look_at(listed)
        if self._unfit:
            more = len(self._unfit) - 1
            raise RefusedError(
                next(iter(self._unfit.values())) + (f"; and {more} more workers are unfit" if more else ""),
                hint="Mend it on that machine, or stop that worker; then run the same command again.",
            )

    def executor(self, size: int) -> Executor:
        """So many jobs at once. Where the connection to the scheduler was lost meanwhile, it is made again."""
        if self._client is None or self._client.status != "running":
            with self._changed:
                self._workers.clear()
                self._unfit.clear()
                self._gone.clear()
            self.gather()
        return _Executor(self.call, size)

    def call(self, work: Callable[[], T]) -> T:
        """Have a worker do it, when one is free; `work` must be something that another machine can be told.

        Raises:
            WorkerLostError: the worker died, or its machine cannot be reached any more.
            CopyError: the scheduler is gone, or no worker is left. What `work` raises comes as it is.
        """
        address, worker = self._take()
        try:
            answer = self._ask(work, [address])[address]
        finally:
            with self._changed:
                worker.busy -= 1
                self._changed.notify_all()
        if isinstance(answer, OSError):
            with self._changed:
                self._gone.add(address)
            raise WorkerLostError(f"worker {address} is gone") from answer
        if isinstance(answer, Exception):
            raise answer
        if answer.error is not None:
            raise answer.error
        result: T = answer.value
        return result

    def close(self) -> None:
        if self._client is not None:
            self._client.close(timeout=self.connect_s)
            self._client = None

    def _connect(self) -> None:
        self.close()
        library = _library()
        options = {"timeout": self.connect_s, "set_as_default": False, "name": PROGRAM}
        if self.place.encrypted:
            options["security"] = _security(library, self.place)
        try:
            self._client = library.Client(self.place.address, **options)
        except (OSError, TimeoutError, RuntimeError, TypeError, ValueError) as cause:
            raise ToolError(
                f"scheduler {self.place.address} cannot be reached: {' '.join(str(cause).split())}",
                hint="Check that it runs, that this machine may reach it, and that both have certificates of one CA.",
            ) from cause

    def _listed(self) -> Mapping[str, int]:
        """Every worker that the scheduler knows now, with its threads."""
        with self._translated():
            return dict(self._client.nthreads())

    def _ask(self, work: Callable[[], Any], addresses: list[str]) -> dict[str, Any]:
        """The Answer of each; or the exception, which is an OSError where the worker went away."""
        with self._translated():
            return dict(self._client.run(aboard, work, workers=addresses, on_error="return"))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        # AttributeError: a client that gave up connecting has no scheduler any more.
        except (OSError, TimeoutError, asyncio.CancelledError, AttributeError) as cause:
            raise CopyError(f"scheduler {self.place.address} was lost", hint=RESUME) from cause

    def _look_at(self, listed: Mapping[str, int]) -> None:
        """Find out which of those that were never looked at are fit."""
        new = [address for address in listed if address not in self._workers and address not in self._unfit]
        if not new:
            return
        unfit = {
            a: f"worker {a} does not speak TLS, so passwords are not sent there" for a in new if not kept_from_others(a)
        }
        unfit |= self._of_other_versions([a for a in new if a not in unfit])
        sound = [a for a in new if a not in unfit]
        if sound:
            answers = self._ask(partial(unreachable, self.source, self.target), sound)
            for address, answer in answers.items():
                if not isinstance(answer, Answer):
                    unfit[address] = f"worker {address} cannot look at the databases: {answer}"
                elif answer.value:
                    unfit[address] = f"worker {self._named(address)} cannot reach the {answer.value}"
        with self._changed:
            self._unfit |= unfit
            self._workers |= {a: _Worker(threads=listed[a]) for a in new if a not in unfit}
            self._changed.notify_all()

    def _of_other_versions(self, addresses: list[str]) -> dict[str, str]:
        if not addresses:
            return {}
        # The library's own function: what a worker without pgcutover can be told.
        with self._translated():
            found = self._client.run(version, PROGRAM, workers=addresses, on_error="return")
        here = version(PROGRAM)
        wrong = {}
        for address, there in found.items():
            if isinstance(there, PackageNotFoundError):
                wrong[address] = f"worker {self._named(address)} has no {PROGRAM}: {INSTALL}"
            elif there != here:
                wrong[address] = f"worker {self._named(address)} has {PROGRAM} {there}, here it is {here}"
        return wrong

    def _named(self, address: str) -> str:
        with self._translated():
            host = self._client.run(socket.gethostname, workers=[address], on_error="return")[address]
        return f"{address} on {host}" if isinstance(host, str) else address

    def _take(self) -> tuple[str, _Worker]:
        """A thread of a worker that is there: of the one that has most of them free."""
        deadline = time.monotonic() + self.patience_s
        while True:
            with self._changed:
                known = set(self._workers)
            listed = self._listed()
            with self._changed:
                for address in (known - listed.keys()) | self._gone:
                    self._workers.pop(address, None)
                strange = listed.keys() - self._workers.keys() - self._unfit.keys() - self._gone
                self._gone &= listed.keys()
                free = {a: w.threads - w.busy for a, w in self._workers.items() if w.busy < w.threads}
                if free:
                    address = max(free, key=free.__getitem__)
                    self._workers[address].busy += 1
                    return address, self._workers[address]
                if self._workers:
                    deadline = time.monotonic() + self.patience_s
            if strange and self._gathering.acquire(blocking=False):
                # One that came later, or again.
                try:
                    self._look_at({address: listed[address] for address in strange})
                finally:
                    self._gathering.release()
                continue
            if time.monotonic() > deadline:
                raise CopyError(f"no worker of scheduler {self.place.address} is left", hint=RESUME)
            with self._changed:
                self._changed.wait(LOOK_S)


class _Executor(ThreadPoolExecutor):
    """A thread for each job at work elsewhere; it only waits."""

    def __init__(self, call: Callable[[Callable[[], Any]], Any], size: int) -> None:
        super().__init__(size, thread_name_prefix="cluster")
        self._call = call

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        return super().submit(self._call, partial(fn, *args, **kwargs))


def _library() -> Any:
    """Raises ToolError: it is not installed."""
    try:
        import dask

        # Before the library is loaded, which is when it looks; what the user's own configuration says goes before it.
        dask.config.update_defaults({"logging": dict.fromkeys(QUIET, "critical")})
        import distributed
    except ImportError as cause:
        raise ToolError(f"--cluster needs Dask, which is not installed: {cause}", hint=f"{INSTALL}.") from cause
    return distributed


def _security(library: Any, place: ClusterPlace) -> Any:
    """Dask's own configuration, and what the place says beside it."""
    given = {"tls_ca_file": place.ca, "tls_client_cert": place.certificate, "tls_client_key": place.key}
    security = library.Security(require_encryption=True, **{name: path for name, path in given.items() if path})
    if not security.tls_ca_file or not security.tls_client_cert:
        raise UsageError(
            f"--cluster {place.address} needs a CA's certificate and one of our own",
            hint="Give --cluster-ca, --cluster-cert and --cluster-key, or set them in Dask's configuration "
            "(distributed.comm.tls).",
        )
    return security
