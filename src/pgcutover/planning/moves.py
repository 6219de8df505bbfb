"""Which config vars move to the new database, and which attachments must give way: decided from the estate alone.

Invariant: after the moves, no config var of a listed app names the old database except the kept attachments'.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pgcutover.errors import ConfigError, RefusedError
from pgcutover.facts.estate import Attachment
from pgcutover.facts.names import Dsn, Secret

LEGACY = "HEROKU_POSTGRESQL_LEGACY"
"""Upper case and underscores only: config keys match ^\\w+$, so a hyphen is risky.

https://github.com/heroku/platform-api/blob/master/schema.json (config-var)"""


class _Value(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")


Role = Literal["primary", "replica"]
"""Which of the new servers a config var shall name."""


class VariableMove(_Value):
    """One config var that shall name the new database."""

    variable: str
    role: Role = "primary"
    attachment: str | None = None
    """The attachment that owns it today; None for a copied URL in a plain config var."""
    namespace: str | None = None
    addon: str = ""


class KeptAttachment(_Value):
    """A second attachment, so that the billing app's last one is never in the way, and the old database stays in reach.

    The rule it answers: "Cannot destroy last attachment to billing app for resource X".
    https://github.com/heroku/heroku-attachable-resources/issues/21
    """

    app: str
    addon: str
    name: str


class AppMoves(_Value):
    """What changes in one app, in the order of the names."""

    app: str
    variables: tuple[VariableMove, ...]
    process_types: tuple[str, ...]
    web_types: tuple[str, ...]
    has_release_phase: bool
    private_space: bool


def place_of(value: Secret) -> Dsn | None:
    """The database that a config var's value names, or None when it is no PostgreSQL URL."""
    if not value.reveal().startswith(("postgres://", "postgresql://")):
        return None
    try:
        return Dsn.parse(value.reveal())
    except ConfigError:
        return None


def variable_moves(
    attachments: Sequence[Attachment], config: Mapping[str, Secret], addons: Mapping[str, tuple[Dsn, ...]]
) -> tuple[VariableMove, ...]:
    """The moves of one app. `addons` maps each add-on of the old database (leader, followers) to where it listens.

    An attachment's own variable moves because the attachment goes; a plain variable moves when it names one of those
    places (the comparison Heroku's own command line makes: host, port, database).
    """
    owned = {a.variable: a for a in attachments if a.addon in addons and not a.name.startswith(LEGACY)}
    kept = {a.variable for a in attachments if a.name.startswith(LEGACY)}
    foreign = {a.variable for a in attachments if a.addon not in addons}
    moves = [
        VariableMove(variable=variable, attachment=a.name, namespace=a.namespace, addon=a.addon)
        for variable, a in owned.items()
    ]
    places = [place for places in addons.values() for place in places]
    for variable, value in config.items():
        place = place_of(value)
        if variable in owned or variable in kept or variable in foreign or place is None:
            continue
        if any(place.same_place(old) for old in places):
            moves.append(VariableMove(variable=variable))
    return tuple(sorted(moves, key=lambda m: m.variable))


def kept_attachments(attachments: Sequence[Attachment], addons: Sequence[str]) -> tuple[KeptAttachment, ...]:
    """A second attachment on the billing app for every add-on of the old database that is attached there.

    Raises:
        RefusedError: the name is taken by another add-on.
    """
    kept = []
    for number, addon in enumerate(addons):
        mine = [a for a in attachments if a.addon == addon]
        billing = next((a.billing_app for a in mine), "")
        if not any(a.app == billing for a in mine):
            continue
        name = LEGACY if number == 0 else f"{LEGACY}_{number + 1}"
        taken = next((a for a in attachments if a.app == billing and a.name == name and a.addon != addon), None)
        if taken:
            raise RefusedError(
                f"{billing}: the attachment name {name} is taken by add-on {taken.addon}",
                hint=f"Detach or rename it: heroku addons:detach {name} -a {billing}.",
            )
        kept.append(KeptAttachment(app=billing, addon=addon, name=name))
    return tuple(kept)


def refuse_poolers(app: str, commands: Sequence[str], *, sslmode: str) -> None:
    """PgBouncer inside the dynos stumbles over what the new URL carries; `commands` are the formation's.

    `use-pgbouncer` connects to the port after the URL's, where RDS has nothing; `start-pgbouncer` takes a query string
    for a part of the database's name. https://github.com/heroku/heroku-buildpack-pgbouncer

    Raises:
        RefusedError: the application would not boot on the new database.
    """
    if any("use-pgbouncer" in command for command in commands):
        raise RefusedError(
            f"{app} starts through bin/use-pgbouncer, which needs Heroku's own pooler on the port after the database's",
            hint="Start it without, or with bin/start-pgbouncer, and release that first.",
        )
    if sslmode != "none" and any("start-pgbouncer" in command for command in commands):
        raise RefusedError(
            f"{app} starts through PgBouncer's buildpack, which takes ?sslmode=… for a part of the database's name",
            hint='Set app_sslmode = "none" under [target]: the buildpack asks for TLS by itself.',
        )
