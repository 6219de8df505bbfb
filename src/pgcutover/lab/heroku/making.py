"""Apps and essential databases that are made and removed while the lab runs, and slugs that are released.

A database lies on the leader's own server, as an essential one shares a server with others. What was made here is gone
without a trace once its app is removed.
"""

import random
import secrets
from dataclasses import replace

from psycopg import sql

from pgcutover.lab import dataset
from pgcutover.lab.heroku import acme, refusals
from pgcutover.lab.heroku.measures import superuser
from pgcutover.lab.heroku.plans import BY_NAME, SERVICE, Plan
from pgcutover.lab.heroku.platform import Platform
from pgcutover.lab.heroku.records import AddOn, App, ProcessType, Release, ReleaseStatus, Slug, now
from pgcutover.lab.layout import HerokuServer

FIRST_RELEASES = ("Initial release", "Enable Logplex")
NEW_APP_SIZE = "Basic"


def make_app(platform: Platform, name: str) -> App:
    """Raises Refusal: the name is taken."""
    estate = platform.estate
    with estate.lock:
        if name in estate.apps:
            raise refusals.invalid(f"Name {name} is already taken")
        estate.apps[name] = App(
            id=estate.new_id(),
            name=name,
            slug_id=estate.new_id(),
            created_at=now(),
            updated_at=now(),
            knobs=platform.new_app_knobs,
        )
        estate.configs[name], estate.releases[name], estate.formation[name] = {}, {}, {}
        for description in FIRST_RELEASES:
            release = estate.add_release(name, description, runs_command=False)
            estate.update_release(release, status=ReleaseStatus.SUCCEEDED)
            estate.update_app(name, serving_version=release.version, released_at=now())
        return estate.apps[name]


def remove_app(platform: Platform, name: str) -> None:
    """The app with its dynos, its add-ons and their data. Call it without any lock."""
    estate = platform.estate
    with estate.lock:
        estate.formation[name] = {}
    platform.dynos.end_all(name)
    platform.releases.forget(name)
    with estate.lock:
        for attachment in estate.attachments_of_app(name):
            del estate.attachments[attachment.id]
        for addon in [one for one in estate.addons.values() if one.app == name]:
            remove_addon(platform, addon)
        for kept in (estate.apps, estate.configs, estate.releases, estate.formation):
            kept.pop(name)
        estate.save()


def make_addon(platform: Platform, app: App, plan_name: str, *, name: str | None, attachment: str | None) -> AddOn:
    """A database of an essential plan, attached to the app. assumption L30

    Raises Refusal: there is no such plan, or the lab has no server for it.
    """
    plan = BY_NAME.get(plan_name if ":" in plan_name else f"{SERVICE}:{plan_name}")
    if plan is None:
        raise refusals.not_found("plan")
    if not plan.name.startswith("essential"):
        raise refusals.invalid("The lab makes essential databases only.")
    estate = platform.estate
    with estate.lock:
        addon = AddOn(
            id=estate.new_id(),
            name=name or acme.addon_name(estate),
            app=app.name,
            plan=plan.full_name,
            created_at=now(),
            server=_make_database(_leader(platform), plan),
        )
        estate.addons[addon.name] = addon
        first = all(one.name != acme.FIRST for one in estate.attachments_of_app(app.name))
        wanted = attachment or (acme.FIRST if first else None)
        platform.attaching.attach(app, addon, name=wanted, namespace=None, confirm=None)
        return addon


def remove_addon(platform: Platform, addon: AddOn) -> None:
    """The add-on with its data; each app that it is attached to gets a release."""
    estate = platform.estate
    with estate.lock:
        for attachment in estate.attachments_of_addon(addon.name):
            platform.attaching.remove(attachment)
        del estate.addons[addon.name]
        estate.save()
    _drop_database(addon.server)


def deploy(platform: Platform, app: App, slug_id: str, description: str | None) -> Release:
    """Release a slug: its process types become the app's; of new ones only web is scaled up.

    The app's own slug again, which need not have been uploaded here, changes no process type.

    https://devcenter.heroku.com/articles/platform-api-deploying-slugs
    """
    estate = platform.estate
    with estate.lock:
        if slug_id == app.slug_id:
            return platform.releases.make(app.name, description or f"Deploy {slug_id[:8]}")
        slug = estate.slugs.get(slug_id)
        if slug is None or slug.app != app.name:
            raise refusals.not_found("slug")
        if not slug.uploaded:
            raise refusals.invalid("Slug has not been uploaded.")
        before = estate.formation[app.name]
        estate.formation[app.name] = {
            kind: replace(before[kind], command=command, updated_at=now())
            if kind in before
            else _process(platform, app, kind, command)
            for kind, command in slug.process_types.items()
        }
        estate.update_app(app.name, slug_id=slug.id)
        return platform.releases.make(app.name, description or f"Deploy {(slug.commit or slug.id)[:8]}")


def make_slug(platform: Platform, app: App, process_types: dict[str, str], commit: str | None) -> Slug:
    estate = platform.estate
    with estate.lock:
        slug = Slug(
            id=estate.new_id(), app=app.name, commit=commit, process_types=dict(process_types), created_at=now()
        )
        estate.slugs[slug.id] = slug
        return slug


def uploaded(platform: Platform, slug_id: str) -> None:
    with platform.estate.lock:
        platform.estate.slugs[slug_id] = replace(platform.estate.slugs[slug_id], uploaded=True)


def _process(platform: Platform, app: App, kind: str, command: str) -> ProcessType:
    return ProcessType(
        id=platform.estate.new_id(),
        app=app.name,
        type=kind,
        command=command,
        quantity=1 if kind == "web" else 0,
        size=NEW_APP_SIZE,
        created_at=now(),
        updated_at=now(),
    )


def _leader(platform: Platform) -> HerokuServer:
    """Where there is room for one more."""
    return next(addon.server for addon in platform.estate.addons.values() if addon.following is None)


def _make_database(beside: HerokuServer, plan: Plan) -> HerokuServer:
    dice = random.Random(secrets.randbits(64))
    made = replace(
        beside,
        database=dataset.random_name("d", dice),
        owner=dataset.random_name("u", dice),
        password=dataset.new_password(),
        credentials={},
        plan=plan.full_name,
    )
    with superuser(beside, "postgres") as session:
        dataset.create_owner(session, made.owner, made.password, connection_limit=plan.connections)
        dataset.create_owned(session, made.database, made.owner)
    with superuser(made) as session:
        dataset.add_platform(session, owner=made.owner, readers=(made.owner,))
    return made


def _drop_database(server: HerokuServer) -> None:
    with superuser(server, "postgres") as session:
        session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(server.database)))
        session.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(server.owner)))
