"""Looks at dynos, the log, plans and the database of the probe's app."""

import itertools
import re
import time
from datetime import datetime
from typing import Any

from pgcutover.app.probing.heroku_attachments import VALUE, HerokuWorld
from pgcutover.errors import HerokuError, SourceError
from pgcutover.planning.predictions import Seen

PROCESS_TYPES = {
    "worker": "while :; do sleep 1; done",
    "crash": "exit 1",
    "release": "echo released",
}
DYNO_LIMIT_S = 180.0
CRASHES = 4
CRASH_LIMIT_S = 420.0
KEPT_LINES, PRINTED_LINES = 2000, 1700
PLANS = ("essential-0", "essential-1", "essential-2", "standard-0", "premium-0")
STATE = re.compile(r"^(\S+) heroku\[crash\.1\]: State changed from (\w+) to (\w+)")


def prices(world: HerokuWorld) -> Seen:
    """H4"""
    rows = world.api.must("GET", "/addon-services/heroku-postgresql/plans")
    usd = {str(row["name"]).partition(":")[2]: int((row["price"] or {}).get("cents", 0)) / 100 for row in rows}
    listed = ", ".join(f"{plan} {usd[plan]:g}" if plan in usd else f"no {plan}" for plan in PLANS)
    limit = world.asking.value(
        world.dsn, "source", "SELECT rolconnlimit FROM pg_catalog.pg_roles WHERE rolname = current_user"
    )
    return Seen(answer=f"{listed} USD per month; essential-0: {limit} connections")


def heroku_schema(world: HerokuWorld) -> Seen:
    """H8"""
    found = world.asking.value(world.dsn, "source", "SELECT pg_catalog.to_regnamespace('_heroku') IS NOT NULL")
    version = world.asking.value(world.dsn, "source", "SHOW server_version")
    return Seen(answer=f"an essential database {'has it' if found == 'True' else 'lacks it'}", detail=version)


def no_version(world: HerokuWorld) -> Seen:
    """L10"""
    answer = world.api.ask("GET", f"/apps/{world.app}", accept="*/*")
    return Seen(answer=str(answer.status), detail=answer.message)


def scaled_away(world: HerokuWorld) -> Seen:
    """L5"""
    _worker_up(world)
    world.api.scale(world.app, "worker", 0)
    begun = time.monotonic()
    if "worker.1" not in world.api.dynos(world.app):
        return Seen(answer="gone from the list at once")
    world.api.until(lambda: "worker.1" not in world.api.dynos(world.app), what="the end of worker.1")
    return Seen(answer="still in the list", detail=f"gone after {time.monotonic() - begun:.0f} s")


def stopped_by_name(world: HerokuWorld) -> Seen:
    """L7"""
    before = _worker_up(world)
    world.api.stop(world.app, "worker.1")

    def another() -> bool:
        now = world.api.dynos(world.app).get("worker.1")
        return now is not None and (now["id"], now["updated_at"]) != before and now["state"] in ("starting", "up")

    try:
        world.api.until(another, what="another worker.1", limit_s=DYNO_LIMIT_S)
    except HerokuError:
        return Seen(answer="not started again", detail=f"within {DYNO_LIMIT_S:.0f} s")
    finally:
        world.api.scale(world.app, "worker", 0)
    return Seen(answer="started again")


def _worker_up(world: HerokuWorld) -> tuple[Any, Any]:
    """Identity and last change of the worker, once it is up."""
    world.api.scale(world.app, "worker", 1)

    def up() -> tuple[Any, Any] | None:
        dyno = world.api.dynos(world.app).get("worker.1")
        return (dyno["id"], dyno["updated_at"]) if dyno is not None and dyno["state"] == "up" else None

    found: tuple[Any, Any] = world.api.until(up, what="worker.1", limit_s=DYNO_LIMIT_S)
    return found


def one_off(world: HerokuWorld) -> Seen:
    """L6"""
    name = world.api.run(world.app, "while :; do sleep 1; done")
    before = world.api.until(lambda: _up(world, name), what=name, limit_s=DYNO_LIMIT_S)
    world.api.set_config(world.app, {VALUE: "a release beside a one-off dyno"})
    world.newest()
    now = world.api.dynos(world.app).get(name)
    world.api.stop(world.app, name)
    goes_on = now is not None and now["id"] == before["id"] and now["state"] == "up"
    return Seen(answer="it goes on" if goes_on else "it was ended or restarted")


def _up(world: HerokuWorld, name: str) -> dict[str, Any] | None:
    dyno = world.api.dynos(world.app).get(name)
    return dyno if dyno is not None and dyno["state"] == "up" else None


def ended(world: HerokuWorld) -> Seen:
    """L8"""
    name = world.api.run(world.app, "true")
    path = f"/apps/{world.app}/dynos/{name}"
    deadline = time.monotonic() + DYNO_LIMIT_S
    while (answer := world.api.ask("GET", path)).ok and time.monotonic() < deadline:
        time.sleep(0.5)
    if answer.ok:
        return Seen(answer="still there", detail=f"state {answer.body.get('state')} after {DYNO_LIMIT_S:.0f} s")
    return Seen(answer=f"{answer.status} once it has ended", detail=answer.words)


def log_backlog(world: HerokuWorld) -> Seen:
    """H5"""
    name = world.api.run(
        world.app, f"i=0; while [ $i -lt {PRINTED_LINES} ]; do i=$((i+1)); echo probe $i; done; sleep 2"
    )
    world.api.until(lambda: name not in world.api.dynos(world.app), what=f"the end of {name}", limit_s=DYNO_LIMIT_S)
    lines = world.api.log(world.app, lines=KEPT_LINES)
    return Seen(answer=f"{len(lines)} lines", detail=f"the dyno printed {PRINTED_LINES}")


def crashing(world: HerokuWorld) -> Seen:
    """L14"""
    world.api.scale(world.app, "crash", 1)
    try:
        world.api.until(
            lambda: len(_pauses(world)) >= CRASHES - 1, what=f"{CRASHES} crashes of crash.1", limit_s=CRASH_LIMIT_S
        )
        pauses = _pauses(world)
    finally:
        world.api.scale(world.app, "crash", 0)
    longer = all(before < after for before, after in itertools.pairwise(pauses))
    return Seen(
        answer=f"it comes back, each time after {'a longer pause' if longer else 'no longer pause'}",
        detail=f"pauses of {', '.join(f'{pause:.1f}' for pause in pauses)} s",
    )


def _pauses(world: HerokuWorld) -> list[float]:
    """Seconds from each crash to the start after it."""
    pauses, crashed = [], None
    for line in world.api.log(world.app, lines=1500, dyno="crash.1"):
        found = STATE.match(line)
        if found is None:
            continue
        at = datetime.fromisoformat(found[1])
        if found[3] == "crashed":
            crashed = at
        elif found[2] == "crashed" and crashed is not None:
            pauses.append((at - crashed).total_seconds())
            crashed = None
    return pauses[: CRASHES - 1]


def connection_reset(world: HerokuWorld) -> Seen:
    """L12"""
    try:
        with world.asking.session(world.dsn, "source") as session:
            session.execute("SELECT 1")
            answer = world.api.ask("POST", f"/client/v11/databases/{world.addon}/connection_reset", {}, data=True)
            if not answer.ok:
                return Seen(answer=f"refused: {answer.words}", detail=answer.message)
            time.sleep(2)
            session.execute("SELECT 1")
    except SourceError as error:
        return Seen(answer="the owner's session ends", detail=error.message.rpartition(": ")[2])
    return Seen(answer="the owner's session goes on")
