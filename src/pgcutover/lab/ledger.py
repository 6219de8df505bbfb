"""The verdict on a move, independent of the code that moved: was every acknowledged write kept, once, in its last form?

It reads the promises (`promises`), the local Heroku's copy of its estate, and the database that each app's DATABASE_URL
names now; it uses nothing of the migration and asks nothing of it. Promises are read first and the database after, so
that what is being written meanwhile is never called lost.
"""

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgcutover.errors import RefusedError, TargetError
from pgcutover.lab import orders, stray
from pgcutover.lab.heroku.acme import API
from pgcutover.lab.heroku.state import SLUG, estate_file
from pgcutover.lab.layout import LabLayout
from pgcutover.lab.promises import Entry, Kind, Op, read
from pgcutover.lab.reader import NEEDED

GAP_S = 1.0
"""A shorter silence is the application's own rhythm."""
DATABASE_VARIABLE = "DATABASE_URL"
FIRST = (DATABASE_VARIABLE, NEEDED)
"""The variable by which an app is said to be on one side or the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a database holds of one token."""

    version: int
    """The highest, when there are several."""
    copies: int


@dataclass(slots=True, kw_only=True)
class Judgement:
    lost: list[str] = field(default_factory=list)
    """Tokens of acknowledged writes that are missing, older than acknowledged, or back after their delete."""
    doubled: list[str] = field(default_factory=list)


def check(layout: LabLayout) -> dict[str, Any]:
    """The verdict as the lab's `check --json` prints it.

    `lost` is a count of tokens. `unjudged` counts acknowledged writes of apps that have no database at the moment;
    `0 lost` proves nothing about those.

    Raises:
        RefusedError: there is no lab in that directory.
        TargetError: a database that an app names does not answer.
    """
    entries = read(layout.ledger)
    estate = _estate(layout)
    slug = layout.heroku / SLUG
    rows_of = {app: _rows(url, slug) for app, url in _urls(estate, entries).items()}
    # Read again: a delete that began after the first reading may have reached the database before we looked there.
    intended = {
        entry.write.token for entry in read(layout.ledger) if entry.write is not None and entry.write.op is Op.DELETE
    }
    acknowledged = [entry for entry in entries if entry.kind is Kind.ACKNOWLEDGED]
    judged = [entry for entry in acknowledged if entry.judged_in in rows_of]
    verdict = Judgement()
    for app, rows in rows_of.items():
        of_app = [entry for entry in judged if entry.judged_in == app]
        found = judge(of_app, intended, rows)
        verdict.lost += found.lost
        verdict.doubled += found.doubled
    return {
        "acknowledged": len(acknowledged),
        "lost": len(verdict.lost),
        "doubled": len(set(verdict.doubled)),
        "unjudged": len(acknowledged) - len(judged),
        "outage_s": {**_silences(entries, API), **_failures(entries, API)},
        "apps": {name: _app(estate, name, entries, slug) for name in estate["apps"]},
        "lost_tokens": verdict.lost,
        "doubled_tokens": sorted(set(verdict.doubled)),
        "stray": _stray(entries),
    }


def judge(acknowledged: Sequence[Entry], intended_deletes: Iterable[str], rows: Mapping[str, Row]) -> Judgement:
    """Compare what was promised with what is there. Pure.

    A row whose delete was sent but never answered may be there or not: neither is a loss.
    """
    version: dict[str, int] = {}
    deleted: set[str] = set()
    for entry in acknowledged:
        assert entry.write is not None
        if entry.write.op is Op.DELETE:
            deleted.add(entry.write.token)
        else:
            version[entry.write.token] = max(entry.write.version, version.get(entry.write.token, 0))
    perhaps_deleted = set(intended_deletes)
    found = Judgement(doubled=[token for token, row in rows.items() if row.copies > 1])
    for token, promised in version.items():
        row = rows.get(token)
        if token in deleted:
            continue
        if (row is None and token not in perhaps_deleted) or (row is not None and row.version < promised):
            found.lost.append(token)
    found.lost += [token for token in deleted if token in rows]
    return found


def world_state(layout: LabLayout) -> dict[str, Any]:
    """Heroku's side as it is now, without anything that only grows (release numbers, ids, times): for a diff.

    Values of config vars appear as digests only.
    """
    estate = _estate(layout)
    return {
        name: {
            "maintenance": app["maintenance"],
            "formation": {
                process: {"quantity": found["quantity"], "size": found["size"], "command": found["command"]}
                for process, found in sorted(app["formation"].items())
            },
            "attachments": dict(sorted(app["attachments"].items())),
            "config": {
                variable: hashlib.sha256(value.encode()).hexdigest()
                for variable, value in sorted(app["config"].items())
            },
            "buildpacks": app["buildpacks"],
        }
        for name, app in sorted(estate["apps"].items())
    }


def gaps(moments: Iterable[float], *, until: float) -> list[float]:
    """Every silence of more than `GAP_S` between the first moment and `until`. Pure."""
    known = sorted(moments)
    if not known:
        return []
    return [after - before for before, after in zip(known, [*known[1:], until], strict=True) if after - before > GAP_S]


def spans(entries: Iterable[Entry], *, until: float) -> list[float]:
    """From each first failed request to the next success, once there was a success at all. Pure."""
    found: list[float] = []
    began: float | None = None
    seen_success = False
    for entry in sorted(entries, key=lambda entry: entry.at):
        if entry.kind is Kind.FAILED:
            began = entry.at if began is None and seen_success else began
        elif entry.kind in (Kind.ACKNOWLEDGED, Kind.ANSWERED):
            seen_success = True
            if began is not None:
                found.append(entry.at - began)
                began = None
    return found if began is None else [*found, max(0.0, until - began)]


def _app(estate: Mapping[str, Any], name: str, entries: Sequence[Entry], slug: Path) -> dict[str, Any]:
    """One app as it is now; `database` is where the first of its databases is."""
    app = estate["apps"][name]
    databases = {
        variable: {"side": _side(estate, url), "role": _role(estate, url, slug)}
        for variable, url in sorted(app["config"].items())
        if url.startswith(("postgres://", "postgresql://"))
    }
    first = next((variable for variable in FIRST if variable in databases), None)
    return {
        "database": databases[first]["side"] if first else "none",
        "databases": databases,
        "maintenance": app["maintenance"],
        "formation": {process: found["quantity"] for process, found in app["formation"].items()},
        # Apps with few users are silent by themselves: only what those met tells of an outage.
        "outage_s": _failures(entries, name),
    }


def _silences(entries: Iterable[Entry], app: str) -> dict[str, float]:
    """How long an app's database acknowledged nothing."""
    found = gaps((e.at for e in entries if e.app == app and e.kind is Kind.ACKNOWLEDGED), until=time.time())
    return {"database": round(sum(found, 0.0), 3), "longest_database": round(max(found, default=0.0), 3)}


def _failures(entries: Iterable[Entry], app: str) -> dict[str, float]:
    """How long an app's users were refused."""
    found = spans((e for e in entries if e.app == app and e.writer.endswith(".people")), until=time.time())
    return {"users": round(sum(found, 0.0), 3), "longest_users": round(max(found, default=0.0), 3)}


def _stray(entries: Iterable[Entry]) -> dict[str, Any]:
    """What became of the writer that nobody thought of."""
    own = [entry for entry in entries if entry.app == stray.APP]
    promised = [entry.at for entry in own if entry.kind is Kind.ACKNOWLEDGED]
    refused = [entry for entry in own if entry.kind is Kind.FAILED]
    return {
        "acknowledged": len(promised),
        "refused": len(refused),
        "last_acknowledged_at": max(promised, default=None),
        "last_refusal": refused[-1].reason if refused else "",
    }


def _estate(layout: LabLayout) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(estate_file(layout).read_text())
    except FileNotFoundError as cause:
        raise RefusedError(f"no lab in {layout.directory}", hint="Start one with `pgcutover lab up`.") from cause
    return document


def _urls(estate: Mapping[str, Any], entries: Iterable[Entry]) -> dict[str, str]:
    """By app: the URL of its database, for each app that was promised something and has a database."""
    apps = {entry.judged_in for entry in entries if entry.kind is Kind.ACKNOWLEDGED}
    config = {name: app["config"] for name, app in estate["apps"].items() if name in apps}
    return {name: found[DATABASE_VARIABLE] for name, found in config.items() if found.get(DATABASE_VARIABLE)}


def _connect(url: str, slug: Path) -> psycopg.Connection:
    """A session as the app would open it. Close it."""
    place = conninfo_to_dict(url)
    if place.get("sslrootcert"):
        # The app's URL names a file of its slug, relative to where its dynos run.
        place["sslrootcert"] = str(slug / str(place["sslrootcert"]))
    return orders.connect(make_conninfo("", **place), name="lab check")


def _rows(url: str, slug: Path) -> dict[str, Row]:
    found: dict[str, list[int]] = defaultdict(list)
    try:
        with _connect(url, slug) as session:
            for token, version in session.execute("SELECT token::text, version FROM public.ledger_entries"):
                found[token].append(version)
    except psycopg.Error as cause:
        place = urlsplit(url)
        raise TargetError(
            f"the database at {place.hostname}:{place.port} could not be read for the ledger: "
            f"{' '.join(str(cause).split())}",
            hint="The lab must be up, and the app's DATABASE_URL right.",
        ) from cause
    return {token: Row(version=max(versions), copies=len(versions)) for token, versions in found.items()}


def _side(estate: Mapping[str, Any], url: str) -> str:
    """`heroku` or `rds`."""
    return "rds" if _server(estate, url) is None else "heroku"


def _role(estate: Mapping[str, Any], url: str, slug: Path) -> str:
    """`primary` or `replica`; `unknown` when a server that Heroku does not know does not say."""
    server = _server(estate, url)
    if server is not None:
        return "replica" if server["following"] else "primary"
    try:
        with _connect(url, slug) as session:
            row = session.execute("SELECT pg_is_in_recovery()").fetchone()
    except psycopg.Error:
        return "unknown"
    return "replica" if row == (True,) else "primary"


def _server(estate: Mapping[str, Any], url: str) -> Mapping[str, Any] | None:
    """The database on Heroku that a URL names."""
    place = urlsplit(url)
    for server in estate["servers"].values():
        if place.hostname == server["host"] and place.port in server["ports"]:
            found: Mapping[str, Any] = server
            return found
    return None
