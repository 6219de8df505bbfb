"""Looks at attachments, config vars and the releases that they make."""

import time
from dataclasses import dataclass
from typing import Any

from pgcutover.app.probing.looking import Asking
from pgcutover.edges.probe_heroku import Answer, ProbeHeroku
from pgcutover.facts.names import Dsn
from pgcutover.planning.predictions import Seen

TAKEN, EXTRA, PACE, BACK = "PROBE_TAKEN", "PROBE_EXTRA", "PROBE_PACE", "PROBE_BACK"
VALUE = "PROBE_VALUE"
REFUSED = range(400, 500)
PACE_POLL_S = 0.2
PACE_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HerokuWorld:
    """The probe's app, with its database and a slug of three process types: worker, crash, release."""

    api: ProbeHeroku
    app: str
    addon: str
    dsn: Dsn
    asking: Asking

    def attach(self, name: str, *, confirm: bool = False) -> Answer:
        body = {"addon": self.addon, "app": self.app, "name": name, **({"confirm": self.app} if confirm else {})}
        return self.api.ask("POST", "/addon-attachments", body)

    def attachments(self) -> dict[str, str]:
        """Ids by name."""
        rows = self.api.must("GET", f"/apps/{self.app}/addon-attachments")
        return {str(row["name"]): str(row["id"]) for row in rows}

    def detach(self, name: str) -> Answer:
        return self.api.ask("DELETE", f"/addon-attachments/{self.attachments()[name]}")

    def newest(self) -> dict[str, Any]:
        """The newest release, once none is pending."""
        return self.api.settled(self.app)


def first_addon(world: HerokuWorld) -> Seen:
    """L30"""
    made = [r["description"] for r in world.api.releases(world.app) if world.addon in str(r["description"])]
    names = sorted(world.attachments())
    return Seen(
        answer=", ".join(str(text).replace(world.addon, "DB") for text in made),
        detail=f"attachments: {', '.join(names)}",
    )


def release_command(world: HerokuWorld) -> Seen:
    """H2"""
    ran = []
    world.api.set_config(world.app, {VALUE: "release command"})
    ran.append(_ran(world.newest()))
    world.attach(EXTRA)
    ran.append(_ran(world.newest()))
    world.detach(EXTRA)
    ran.append(_ran(world.newest()))
    words = ["runs it" if one else "does not" for one in ran]
    return Seen(answer=f"config var: {words[0]}; attaching: {words[1]}; detaching: {words[2]}")


def _ran(release: dict[str, Any]) -> bool:
    """Only a release whose command ran has an output. https://devcenter.heroku.com/articles/release-phase"""
    return release.get("output_stream_url") is not None


def names(world: HerokuWorld) -> Seen:
    """H3"""
    lower, hyphen = "probe_lower", "PROBE-HYPHEN"
    first = world.attach(lower)
    got = str(first.body.get("name", "")) if first.ok else first.words
    second = world.attach(hyphen)
    became = f"is refused ({second.words})" if second.status in REFUSED else f"becomes {second.body.get('name')}"
    for name in (lower, got, hyphen, str(second.body.get("name", ""))):
        if name in world.attachments():
            world.detach(name)
    world.newest()
    return Seen(
        answer=f"lower case {'is kept' if got == lower else f'becomes {got}'}; "
        f"a hyphen {'is refused' if second.status in REFUSED else became}",
        detail=f"a hyphen {became}",
    )


def set_by_hand(world: HerokuWorld) -> Seen:
    """L1"""
    variable = f"{TAKEN}_URL"
    world.api.set_config(world.app, {variable: "set by hand"})
    without = world.attach(TAKEN)
    confirmed = world.attach(TAKEN, confirm=True)
    value = world.api.config(world.app, variable)
    kept = "the database's" if value.startswith("postgres://") else "what was set by hand"
    return Seen(
        answer=f"without: {without.words}; with: "
        + (f"the variable is {kept}" if confirmed.ok else f"refused, {confirmed.words}"),
        detail=without.message,
    )


def name_in_use(world: HerokuWorld) -> Seen:
    """L2"""
    if TAKEN not in world.attachments():
        world.attach(TAKEN)
    answer = world.attach(TAKEN)
    return Seen(answer=answer.words, detail=answer.message)


def replaced(world: HerokuWorld) -> Seen:
    """L3"""
    before = int(world.newest()["version"])
    world.attach(TAKEN, confirm=True)
    world.newest()
    made = [r for r in reversed(world.api.releases(world.app)) if int(r["version"]) > before]
    return Seen(answer=", ".join(str(r["description"]).partition(" (")[0] for r in made))


def pace(world: HerokuWorld) -> Seen:
    """L4"""
    before = int(world.newest()["version"])
    begun = time.monotonic()
    world.attach(PACE)
    world.detach(PACE)

    def both() -> list[bool]:
        """Which of the two are pending, the older one first."""
        made = [r for r in world.api.releases(world.app) if int(r["version"]) > before]
        return [r["status"] == "pending" for r in reversed(made)]

    seen = [both()]
    while any(seen[-1]) and time.monotonic() - begun < PACE_LIMIT_S:
        time.sleep(PACE_POLL_S)
        seen.append(both())
    # The older one must not be pending any more when the newer one is through.
    in_order = all(states == sorted(states) for states in seen)
    return Seen(
        answer=f"{'pending' if seen[0][-1:] == [True] else 'done'} at first; "
        f"{'one after the other' if in_order else 'not one after the other'}",
        detail=f"two releases took {time.monotonic() - begun:.1f} s",
    )


def rolled_back(world: HerokuWorld) -> Seen:
    """L9"""
    world.attach(BACK)
    world.api.set_config(world.app, {VALUE: "before"})
    wanted = world.newest()
    world.detach(BACK)
    world.api.set_config(world.app, {VALUE: "after"})
    world.newest()
    world.api.must("POST", f"/apps/{world.app}/releases", {"release": wanted["id"]})
    world.newest()
    value, url = world.api.config(world.app, VALUE), world.api.config(world.app, f"{BACK}_URL")
    attached = BACK in world.attachments()
    world.api.set_config(world.app, {f"{BACK}_URL": None})
    world.newest()
    return Seen(
        answer=f"the variable: {'as it was' if value == 'before' else 'not as it was'}; "
        f"the attachment's variable: {'there' if url else 'not there'}; "
        f"the attachment: {'there' if attached else 'not there'}"
    )


def without_range(world: HerokuWorld) -> Seen:
    """L13"""
    rows = world.api.must("GET", f"/apps/{world.app}/releases")
    ids, versions = [str(row["id"]) for row in rows], [int(row["version"]) for row in rows]
    orders = {
        "by version": versions == sorted(versions),
        "newest first": versions == sorted(versions, reverse=True),
        "by id": ids == sorted(ids),
    }
    return Seen(
        answer=next((order for order, holds in orders.items() if holds), "in no order"),
        detail=f"{len(rows)} releases",
    )


def refusals(world: HerokuWorld) -> Seen:
    """H1. The last of all: should Heroku not refuse, the database is no longer attached."""
    for name in world.attachments():
        if name != "DATABASE":
            world.detach(name)
    world.newest()
    overwriting = world.api.ask("PATCH", f"/apps/{world.app}/config-vars", {"DATABASE_URL": "overwritten"})
    last = world.detach("DATABASE")
    return Seen(
        answer=f"overwriting: {overwriting.words}; the last attachment: {last.words}",
        detail="; ".join(text.replace(world.addon, "DB") for text in (overwriting.message, last.message) if text),
    )
