"""The options of `copy`, and what it shows while it runs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from pgcutover.app.endpoints import endpoint
from pgcutover.app.plain_copy import CopyDone, ProgressSource, copy_database
from pgcutover.app.workers import JOBS
from pgcutover.errors import UsageError
from pgcutover.faces import cli_verify
from pgcutover.faces.every import Every
from pgcutover.faces.options import database_option
from pgcutover.faces.output import advised
from pgcutover.faces.progress import CopyProgress, Watch
from pgcutover.facts.building import SortMemory
from pgcutover.facts.cluster import ClusterPlace
from pgcutover.facts.names import Dsn

STATE = Path(".pgcutover")
TOLD_EVERY_S = 10.0
SHOWN_EVERY_S = 0.5
FILE: dict[str, Any] = {"exists": True, "dir_okay": False, "readable": True, "metavar": "FILE"}

Source = Annotated[
    str | None,
    database_option("source", "The database to copy: a postgres:// URL or service=NAME. It is only read."),
]
Target = Annotated[str | None, database_option("target", "An empty database, as its owner.")]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=64,
        help=f"Tables copied at once; default: {JOBS}, or the target's cores if it runs here and has fewer; with "
        "--cluster as many as it has workers.",
        metavar="N",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(help="Let workers of this Dask scheduler carry: tls://HOST:PORT.", metavar="ADDRESS"),
]
ClusterCa = Annotated[
    Path | None,
    typer.Option(help="The CA that signed the cluster's certificates; default: Dask's configuration.", **FILE),
]
ClusterCert = Annotated[Path | None, typer.Option(help="Our certificate for the cluster; the same.", **FILE)]
ClusterKey = Annotated[
    Path | None, typer.Option(help="Its key, where that is not in the certificate's file; the same.", **FILE)
]
Verify = Annotated[bool, typer.Option("--verify", help="Compare everything afterwards, as pgcutover verify does.")]
PgBin = Annotated[
    list[Path] | None,
    typer.Option(help="Where pg_dump and pg_restore are; default: PATH and where packages put them.", metavar="DIR"),
]
Sorts = Annotated[
    SortMemory,
    typer.Option(help="Memory for sorts: auto chooses it for each index; server leaves what is set there."),
]
State = Annotated[Path, typer.Option(help="Where definitions lie while it runs.", metavar="DIR")]


def copied(
    context: typer.Context,
    source: str | None,
    target: str | None,
    *,
    jobs: int | None,
    cluster: ClusterPlace | None,
    verify: bool,
    state: Path,
    pg_bin: Sequence[Path],
    sort_memory: SortMemory,
    err: Console,
    json: bool,
) -> CopyDone:
    """Copy what the options name."""
    ours, theirs = both(context, source, target, err)
    return copy_database(
        ours,
        theirs,
        jobs=jobs,
        cluster=cluster,
        verify=verify,
        state=state,
        pg_bin=tuple(pg_bin),
        sort_memory=sort_memory,
        watching=shown_on(err, json=json),
        advise=lambda advice: advised(advice, err, json=json),
    )


def both(context: typer.Context, source: str | None, target: str | None, err: Console) -> tuple[Dsn, Dsn]:
    """The databases that the options name.

    Raises:
        UsageError: one is missing.
        ConfigError: one cannot be read.
    """
    for name, given in (("source", source), ("target", target)):
        if not given:
            raise UsageError(f"there is no --{name}, and no PGCUTOVER_{name.upper()}", hint="Name both databases.")
    assert source is not None, "looked at above"
    assert target is not None, "looked at above"
    ours, theirs = endpoint(source), endpoint(target)
    cli_verify.warn(context, "source", ours, err)
    cli_verify.warn(context, "target", theirs, err)
    return ours, theirs


def cluster_place(address: str | None, *, ca: Path | None, cert: Path | None, key: Path | None) -> ClusterPlace | None:
    """The scheduler that the options name; None where they name none.

    Raises:
        UsageError: certificates, and nothing to use them for; or no address.
        RefusedError: it would be spoken to in clear text.
    """
    if not address:
        if ca or cert or key:
            raise UsageError("certificates of a cluster are given, and no --cluster", hint="Give --cluster, too.")
        return None
    files = {
        name: str(path.absolute()) if path else "" for name, path in (("ca", ca), ("certificate", cert), ("key", key))
    }
    return ClusterPlace.parse(address, **files)


def shown_on(
    err: Console, *, json: bool, what: Callable[[], str] = str
) -> Callable[[ProgressSource], AbstractContextManager[None]]:
    """Shows how far a copy is: a living line on a terminal, lines now and then elsewhere. `what` it is comes first."""

    @contextmanager
    def shown(source: ProgressSource) -> Iterator[None]:
        watch = Watch(source)
        watch.start()
        live = err.is_terminal and not json
        with err.status(f"{what()}reading the catalogues") if live else _nothing() as status:

            def tell() -> None:
                if watch.newest is None:
                    return
                words = document(watch.newest) if json else what() + watch.sentence()
                if status is not None:
                    status.update(words)
                else:
                    err.print(words, markup=False, highlight=False, soft_wrap=True)

            every = Every(SHOWN_EVERY_S if live else TOLD_EVERY_S, tell, name="copy log")
            try:
                yield
            finally:
                every.stop()
                watch.stop()

    return shown


def document(newest: CopyProgress) -> str:
    """Figures as one JSON object on one line."""
    figures = {
        name: getattr(newest, name)
        for name in ("bytes_done", "bytes_total", "rows_done", "tables_done", "tables_total")
    }
    return dumps({"event": "copying", "at": datetime.now(UTC).isoformat(), **figures})


@contextmanager
def _nothing() -> Iterator[None]:
    yield None
