"""Who carries a copy's chunks: processes of this machine, or the workers of a Dask cluster.

Invariant: whoever carries is there, fit and able to reach both databases before anything is touched.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass

from pgcutover.copying.crew import begun, processes
from pgcutover.facts.cluster import ClusterPlace
from pgcutover.facts.names import Dsn

JOBS = 4
"""At once on one machine: more rarely helps, for the servers work harder than we do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """`executor` makes one for so many jobs at once; `jobs` is how many are wanted. `asked`: somebody said so, or has a
    cluster for it."""

    jobs: int
    asked: bool
    executor: Callable[[int], Executor]


@contextmanager
def workers(source: Dsn, target: Dsn, *, jobs: int | None, cluster: ClusterPlace | None) -> Iterator[Workers]:
    """Those that carry between two databases, for the length of the block; without `jobs`, as many as is sensible.

    Raises:
        ToolError, RefusedError, UsageError: the cluster cannot be used; nothing was touched.
    """
    if cluster is None:
        begun()
        yield Workers(jobs=jobs or JOBS, asked=jobs is not None, executor=processes)
        return
    # Most copies do without.
    from pgcutover.edges.cluster import open_cluster

    with open_cluster(cluster, source, target) as there:
        threads = there.threads
        yield Workers(jobs=min(jobs or threads, threads), asked=True, executor=there.executor)
