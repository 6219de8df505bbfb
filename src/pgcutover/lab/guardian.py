"""Waits for its starter to die, then ends every process that was left in a directory.

    python -m pgcutover.lab.guardian DIRECTORY

Its standard input is a pipe whose other end only the starter holds: however that ends, `kill -9` included, the pipe
closes. What it ends is known by pid and start (`run/*.pid`) or by data directory (postmasters), never by name.
"""

import signal
import subprocess
import sys
from pathlib import Path

from pgcutover.lab import processes
from pgcutover.lab.clusters import Cluster
from pgcutover.lab.layout import LabLayout

GRACE_S = 5.0
NAME = "guardian"
DEPTHS = ("data", "*/data", "*/*/data", "*/*/*/data")
"""Where clusters may lie below the directory; a full walk would read every file of every database."""


def watch(directory: Path) -> "subprocess.Popen[bytes]":
    """Start a guardian over a directory. It acts when we die, or when the caller closes its `stdin`."""
    return subprocess.Popen(
        [sys.executable, "-m", "pgcutover.lab.guardian", str(directory)],
        stdin=subprocess.PIPE,
        start_new_session=True,
        cwd="/",
    )


def sweep(directory: Path) -> tuple[str, ...]:
    """End what still runs there and in labs right below it, servers last; returns what had to be ended. Idempotent."""
    left: list[str] = []
    for place in (directory, *(found.parent for found in sorted(directory.glob("*/run")))):
        left.extend(_end_processes(LabLayout(place).run))
    servers = tuple(cluster for cluster in clusters(directory) if cluster.running)
    for server in servers:
        server.stop()
    return (*left, *(str(server.directory) for server in servers))


def _end_processes(run: Path) -> tuple[str, ...]:
    left = {name: one for name, one in processes.recorded(run).items() if name != NAME}
    processes.end(left.values(), grace_s=GRACE_S)
    # Afterwards, for a leader that the kernel killed meanwhile has left its group behind.
    orphans = {f"orphan {one.pid}": one for one in processes.orphans(run)}
    processes.end(orphans.values(), grace_s=GRACE_S)
    return (*left, *orphans)


def clusters(directory: Path) -> tuple[Cluster, ...]:
    """The clusters that lie below, running or not."""
    versions = sorted(path for depth in DEPTHS for path in directory.glob(f"{depth}/PG_VERSION"))
    return tuple(Cluster(path.parent.parent, int(path.read_text())) for path in versions)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Whoever ends a whole group or session of processes must not end the one that cleans up after it.
        signal.signal(number, signal.SIG_IGN)
    directory = Path(sys.argv[1])
    sys.stdin.buffer.read()
    left = sweep(directory)
    if left:
        print(f"guardian: ended {', '.join(left)}", file=sys.stderr)


if __name__ == "__main__":
    main()
