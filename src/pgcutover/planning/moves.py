"""Which config vars move to the new database, to which of its servers and as whom, and which attachments must give way:
decided from the estate alone.

Invariant: after the moves, no config var of a listed app names the old database except the kept attachments'.
"""

from collections.abc import Collection, Mapping, Sequence
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

SslMode = Literal["require", "none"]
"""What an application's URL says about TLS; none: it has no query string at all."""

CREDENTIAL, POOLING = "credential:", "connection-pooling:"
"""How the namespaces of attachments begin that are not the default credential's.

https://devcenter.heroku.com/articles/heroku-postgresql-credentials, .../postgres-connection-pooling"""

PGBOUNCER_URLS = "PGBOUNCER_URLS"


class VariableMove(_Value):
    """One config var that shall name the new database."""

    variable: str
    role: Role = "primary"
    user: str = ""
    """The credential that it logs in with, which has the same name on the new server; '' for the application's role."""
    attachment: str | None = None
    """The attachment that owns it today; None for a copied URL in a plain config var."""
    namespace: str | None = None
    addon: str = ""
    """The add-on that it names today."""

    @property
    def credential(self) -> str:
        """The further credential that its attachment stands for; '' for the default one and for poolers."""
        namespace = self.namespace or ""
        return namespace.removeprefix(CREDENTIAL) if namespace.startswith(CREDENTIAL) else ""

    @property
    def pooler(self) -> bool:
        """Whether its attachment is that of Heroku's server-side pooler."""
        return (self.namespace or "").startswith(POOLING)


class Pooling(_Value):
    """PgBouncer inside an app's dynos, from Heroku's buildpack."""

    starter: str
    """The program that its commands start through; '' where none shows one."""
    variables: tuple[str, ...]
    """What PGBOUNCER_URLS names once the app has moved."""
    was_set: bool
    """Whether PGBOUNCER_URLS was there before."""

    @property
    def urls(self) -> str:
        """The value of PGBOUNCER_URLS; names only, nothing secret."""
        return " ".join(self.variables)


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
    sslmode: SslMode = "require"
    pooling: Pooling | None = None
    """None where nothing in the dynos stands between the app and its URLs."""

    @property
    def changed(self) -> tuple[str, ...]:
        """Every config var that the switch sets."""
        return (*(m.variable for m in self.variables), *((PGBOUNCER_URLS,) if self.pooling else ()))

    @property
    def saved(self) -> tuple[str, ...]:
        """Those among them that have a value before the switch."""
        return tuple(name for name in self.changed if name != PGBOUNCER_URLS or (self.pooling and self.pooling.was_set))

    @property
    def logins(self) -> tuple[tuple[Role, str], ...]:
        """Each server with each user that a variable names, once."""
        return tuple(dict.fromkeys((m.role, m.user) for m in self.variables))

    @property
    def of_replica(self) -> "AppMoves":
        """The same app with only those variables that name the replica."""
        return self.model_copy(update={"variables": tuple(m for m in self.variables if m.role == "replica")})

    @property
    def on_primary(self) -> "AppMoves":
        """The same moves where there is no replica, or not yet: everything names the primary."""
        moved = tuple(m.model_copy(update={"role": "primary"}) for m in self.variables)
        return self.model_copy(update={"variables": moved})


def place_of(value: Secret) -> Dsn | None:
    """The database that a config var's value names, or None when it is no PostgreSQL URL."""
    if not value.reveal().startswith(("postgres://", "postgresql://")):
        return None
    try:
        return Dsn.parse(value.reveal())
    except ConfigError:
        return None


def variable_moves(
    attachments: Sequence[Attachment],
    config: Mapping[str, Secret],
    addons: Mapping[str, tuple[Dsn, ...]],
    *,
    leader: str,
    logins: Collection[str] = (),
) -> tuple[VariableMove, ...]:
    """The moves of one app. `addons` maps each add-on of the old database (leader, followers) to where it listens;
    `logins` are the database's further credentials.

    An attachment's own variable moves because the attachment goes; a plain variable moves when it names one of those
    places (the comparison Heroku's own command line makes: host, port, database). What named a follower goes to the
    replica; a URL with a further credential's user keeps that user.
    """
    owned = {a.variable: a for a in attachments if a.addon in addons and not a.name.startswith(LEGACY)}
    others = {a.variable for a in attachments} - owned.keys()
    moves = [
        VariableMove(
            variable=variable,
            role=_role(a.addon, leader),
            user=_user_of(a, config),
            attachment=a.name,
            namespace=a.namespace,
            addon=a.addon,
        )
        for variable, a in owned.items()
    ]
    for variable, value in config.items():
        place = place_of(value)
        if variable in owned or variable in others or place is None:
            continue
        addon = next((name for name, places in addons.items() if any(place.same_place(old) for old in places)), None)
        if addon is not None:
            user = place.user if place.user in logins else ""
            moves.append(VariableMove(variable=variable, role=_role(addon, leader), user=user, addon=addon))
    return tuple(sorted(moves, key=lambda m: m.variable))


def _role(addon: str, leader: str) -> Role:
    return "primary" if addon == leader else "replica"


def _user_of(attachment: Attachment, config: Mapping[str, Secret]) -> str:
    """Whom an attachment's URL logs in: a further credential by its own user, anybody else as the application."""
    namespace = attachment.namespace or ""
    if not namespace.startswith(CREDENTIAL):
        return ""
    place = place_of(config.get(attachment.variable, Secret("")))
    return place.user if place else namespace.removeprefix(CREDENTIAL)


def refuse_unknown_logins(moves: Sequence[AppMoves], logins: Collection[str]) -> None:
    """Raises RefusedError when a variable logs in as somebody whom the old database does not know any more."""
    for app in moves:
        for move in app.variables:
            if move.user and move.user not in logins:
                raise RefusedError(
                    f"{app.app}: {move.variable} logs in as {move.user}, which nothing is granted to in the database",
                    hint=f"Grant it what it needs, or detach it: heroku addons:detach {move.attachment} -a {app.app}.",
                )


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
