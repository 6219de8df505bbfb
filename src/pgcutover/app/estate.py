"""Read an environment on Heroku: its apps, the database, who is attached, and where copies of its URL stand."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pgcutover.config import Config
from pgcutover.edges.heroku import POSTGRESQL, HerokuClient, NotFoundError
from pgcutover.errors import ConfigError, RefusedError, RightsError
from pgcutover.facts.estate import Addon, App, Attachment, ProcessType
from pgcutover.facts.names import Dsn, Secret
from pgcutover.planning.moves import LEGACY, AppMoves, place_of, variable_moves
from pgcutover.planning.pgbouncer import Dynos


@dataclass(frozen=True, slots=True, kw_only=True)
class AppEstate:
    app: App
    attachments: tuple[Attachment, ...]
    config: Mapping[str, Secret]
    formation: tuple[ProcessType, ...]
    buildpacks: tuple[str, ...]

    @property
    def dynos(self) -> Dynos:
        """How its dynos are made and started."""
        return Dynos(formation=self.formation, buildpacks=self.buildpacks, config=self.config)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """One environment on Heroku. `places` says where the leader and each follower listen, by add-on name."""

    apps: tuple[AppEstate, ...]
    leader: Addon
    followers: tuple[Addon, ...]
    attachments: tuple[Attachment, ...]
    """Every attachment of leader and followers, over all apps that the token sees."""
    places: Mapping[str, tuple[Dsn, ...]]

    def moves(self, logins: Collection[str] = ()) -> tuple[AppMoves, ...]:
        """What changes in each app, were there a replica; `logins` are the database's further credentials."""
        return tuple(_moves(entry, self.places, self.leader.name, logins) for entry in self.apps)


def read_estate(heroku: HerokuClient, config: Config) -> Estate:
    """Read everything once; nothing is changed.

    Raises:
        ConfigError: an app or attachment that pgcutover.toml names does not exist.
        RefusedError: an app that is attached to the database is not listed.
        RightsError: the token may not see an app.
    """
    apps = tuple(_app(heroku, name) for name in config.choices.apps)
    leader = _leader(heroku, config, apps)
    followers = _followers(heroku, leader, [a for entry in apps for a in entry.attachments])
    attachments = tuple(a for addon in (leader, *followers) for a in heroku.addon_attachments(addon.name))
    _refuse_unlisted(config, attachments)
    places = {addon.name: _places(addon, apps) for addon in (leader, *followers)}
    return Estate(apps=apps, leader=leader, followers=followers, attachments=attachments, places=places)


def apps_on(heroku: HerokuClient, leader: Addon) -> tuple[str, ...]:
    """Every app that is attached to the leader, or to a follower that one of these apps is attached to."""
    seen: set[str] = set()
    reached = {leader.billing_app, *(a.app for a in heroku.addon_attachments(leader.name))}
    while fresh := reached - seen:
        seen |= fresh
        attached = [a for app in sorted(fresh) for a in heroku.app_attachments(app)]
        for follower in _followers(heroku, leader, attached):
            reached |= {a.app for a in heroku.addon_attachments(follower.name)}
    return tuple(sorted(seen))


def source_dsn(heroku: HerokuClient, billing_app: str, addon: str) -> Dsn:
    """The old database's own URL, read anew each time: Heroku rotates credentials whenever it likes.

    The kept attachment is asked first, because during the switch the first one is gone.
    """
    mine = [a for a in heroku.app_attachments(billing_app) if a.addon == addon and a.namespace is None]
    config = heroku.config(billing_app)
    for attachment in sorted(mine, key=lambda a: not a.name.startswith(LEGACY)):
        value = config.get(attachment.variable)
        if value:
            return Dsn.parse(value.reveal())
    raise ConfigError(
        f"no config var of {billing_app} holds the URL of {addon}",
        hint=f"Attach it again: heroku addons:attach {addon} -a {billing_app}.",
    )


def _app(heroku: HerokuClient, name: str) -> AppEstate:
    try:
        app = heroku.app(name)
    except NotFoundError as cause:
        raise ConfigError(
            f"Heroku knows no app {name}, or the token may not see it",
            hint="Check apps in pgcutover.toml, and heroku apps.",
        ) from cause
    if app.generation == "fir":
        raise RefusedError(
            f"{name} is a Fir app, which has no maintenance mode",
            hint="Only Cedar apps can be moved today; see docs/discussions.md.",
        )
    return AppEstate(
        app=app,
        attachments=heroku.app_attachments(name),
        config=heroku.config(name),
        formation=heroku.formation(name),
        buildpacks=heroku.buildpacks(name),
    )


def _leader(heroku: HerokuClient, config: Config, apps: Sequence[AppEstate]) -> Addon:
    wanted = config.choices.attachment
    entry = next(e for e in apps if e.app.name == config.choices.billing_app)
    attachment = next((a for a in entry.attachments if a.name == wanted), None)
    # After the switch the first attachment is gone and the kept one stands for it.
    attachment = attachment or next((a for a in entry.attachments if a.name == LEGACY), None)
    if attachment is None:
        databases = ", ".join(a.name for a in entry.attachments if _is_postgres(heroku, a)) or "none"
        raise ConfigError(
            f"{entry.app.name} has no attachment {wanted}",
            hint=f"Its Postgres attachments: {databases}. Set environments.{config.environment}.database.",
        )
    addon = heroku.addon(attachment.addon)
    if addon.service != POSTGRESQL:
        raise ConfigError(
            f"{entry.app.name}: {wanted} is {addon.name} of {addon.service}, not a Heroku Postgres add-on"
        )
    if addon.billing_app != entry.app.name:
        raise ConfigError(
            f"{addon.name} is billed to {addon.billing_app}, not to {entry.app.name}",
            hint=f'Write database = "{addon.billing_app}::ATTACHMENT".',
        )
    return addon


def _is_postgres(heroku: HerokuClient, attachment: Attachment) -> bool:
    return heroku.addon(attachment.addon).service == POSTGRESQL


def _followers(heroku: HerokuClient, leader: Addon, attachments: Sequence[Attachment]) -> tuple[Addon, ...]:
    """Followers of the leader among what is attached."""
    others = {a.addon for a in attachments if a.addon != leader.name}
    found = []
    for name in sorted(others):
        addon = heroku.addon(name)
        if addon.service == POSTGRESQL and heroku.database(addon.id).following and _follows(heroku, addon, leader):
            found.append(addon)
    return tuple(found)


def _follows(heroku: HerokuClient, addon: Addon, leader: Addon) -> bool:
    """`following` is the leader's URL in the samples that are known; a name or an id is understood too."""
    following = heroku.database(addon.id).following or ""
    if following in (leader.name, leader.id):
        return True
    place = place_of(Secret(following))
    return place is None or place.database == _database_name(heroku, leader, place)


def _database_name(heroku: HerokuClient, leader: Addon, following: Dsn) -> str:
    try:
        return source_dsn(heroku, leader.billing_app, leader.name).database
    except ConfigError:
        return following.database


def _refuse_unlisted(config: Config, attachments: Sequence[Attachment]) -> None:
    unlisted = sorted({a.app for a in attachments} - set(config.choices.apps))
    if unlisted:
        raise RefusedError(
            f"these apps are attached to the database too, but are not listed: {', '.join(unlisted)}",
            hint=f"Add them to environments.{config.environment}.apps, or detach them: "
            "an app left behind would go on using the old database.",
        )


def _places(addon: Addon, apps: Sequence[AppEstate]) -> tuple[Dsn, ...]:
    """Where an add-on listens, as its attachments' variables say (a pooler's port differs from the direct one)."""
    places = [
        place
        for entry in apps
        for a in entry.attachments
        if a.addon == addon.name and (place := place_of(entry.config.get(a.variable, Secret(""))))
    ]
    if not places:
        raise RightsError(
            f"the URL of {addon.name} cannot be read from any listed app's config vars",
            hint="The token needs the scope read-protected or global.",
        )
    return tuple({(p.host, p.port, p.database): p for p in places}.values())


def _moves(entry: AppEstate, places: Mapping[str, tuple[Dsn, ...]], leader: str, logins: Collection[str]) -> AppMoves:
    types = tuple(p.type for p in entry.formation)
    return AppMoves(
        app=entry.app.name,
        variables=variable_moves(entry.attachments, entry.config, places, leader=leader, logins=logins),
        process_types=tuple(sorted(t for t in types if t != "release")),
        web_types=tuple(sorted(t for t in types if t == "web")),
        has_release_phase="release" in types,
        private_space=entry.app.space is not None,
    )
