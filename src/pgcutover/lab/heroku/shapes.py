"""How the estate looks as JSON: one function per resource of the Platform API's schema.

Nothing here decides anything. Every shape is checked in tests against the published schema, unknown keys included:
https://github.com/heroku/platform-api/blob/master/schema.json
"""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pgcutover.lab.heroku.logs import LogSession
from pgcutover.lab.heroku.plans import SERVICE, Plan, plan
from pgcutover.lab.heroku.records import AddOn, App, Attachment, Dyno, ProcessType, Release, Slug
from pgcutover.lab.heroku.state import Estate

Json = dict[str, Any]
STACK = "heroku-24"
REGION = "us"
GENERATION = "cedar"
EPOCH = "2012-01-01T12:00:00Z"


def moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def fixed_id(name: str) -> str:
    """The id of something that every lab has alike: a plan, a stack, a region."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://api.heroku.com/{name}"))


def named(kind: str, name: str) -> Json:
    return {"id": fixed_id(f"{kind}/{name}"), "name": name}


def app(estate: Estate, app: App) -> Json:
    return {
        "acm": False,
        "archived_at": None,
        "buildpack_provided_description": "Python",
        "build_stack": named("stacks", STACK),
        "created_at": moment(app.created_at),
        "generation": named("generations", GENERATION),
        "git_url": f"https://git.heroku.com/{app.name}.git",
        "id": app.id,
        "internal_routing": None,
        "maintenance": app.maintenance,
        "name": app.name,
        "organization": None,
        "owner": {"email": estate.user_email, "id": estate.user_id},
        "region": named("regions", REGION),
        "released_at": None if app.released_at is None else moment(app.released_at),
        "repo_size": 104857,
        "slug_size": 52428800,
        "space": None if app.space is None else {**named("spaces", app.space), "shield": False},
        "stack": named("stacks", STACK),
        "team": None,
        "updated_at": moment(app.updated_at),
        "web_url": f"https://{app.name}.herokuapp.com/",
    }


def account(estate: Estate) -> Json:
    return {
        "allow_tracking": False,
        "beta": False,
        "country_of_residence": "United States",
        "created_at": moment(estate.created_at),
        "default_organization": None,
        "default_team": None,
        "delinquent_at": None,
        "email": estate.user_email,
        "federated": False,
        "id": estate.user_id,
        "identity_provider": None,
        "last_login": moment(estate.created_at),
        "name": "Acme Owner",
        "sms_number": None,
        "suspended_at": None,
        "two_factor_authentication": True,
        "updated_at": moment(estate.created_at),
        "verified": True,
    }


def price(of: Plan) -> Json:
    return {"cents": of.usd_per_month * 100, "contract": False, "unit": "month"}


def plan_(of: Plan) -> Json:
    private = of.name.startswith(("private", "shield"))
    return {
        "addon_service": named("addon-services", SERVICE),
        "compliance": [],
        "created_at": EPOCH,
        "default": of.name == "essential-0",
        "description": f"Heroku Postgres {of.human_name}",
        "human_name": of.human_name,
        "id": fixed_id(f"plans/{of.full_name}"),
        "installable_inside_private_network": private,
        "installable_outside_private_network": not private,
        "name": of.full_name,
        "price": price(of),
        "space_default": False,
        "state": "ga",
        "updated_at": EPOCH,
        "visible": True,
    }


def addon_service() -> Json:
    return {
        **named("addon-services", SERVICE),
        "cli_plugin_name": None,
        "created_at": EPOCH,
        "human_name": "Heroku Postgres",
        "state": "ga",
        "supported_generations": [named("generations", GENERATION)],
        "supports_multiple_installations": True,
        "supports_sharing": True,
        "updated_at": EPOCH,
    }


def addon(estate: Estate, addon: AddOn, *, expand: Iterable[str] = ()) -> Json:
    """`expand`: what Accept-Expansion asked for, `addon_service` and `plan`."""
    billing = estate.apps[addon.app]
    bought = plan(addon.plan)
    owned = [a.config_var for a in estate.attachments_of_addon(addon.name) if a.app == addon.app]
    return {
        "actions": [],
        "addon_service": addon_service() if "addon_service" in expand else named("addon-services", SERVICE),
        "app": {"id": billing.id, "name": billing.name},
        "billed_price": price(bought),
        "billing_entity": {"id": billing.id, "name": billing.name, "type": "app"},
        "config_vars": [name for name in owned if name in estate.configs[addon.app]],
        "created_at": moment(addon.created_at),
        "id": addon.id,
        "name": addon.name,
        "plan": plan_(bought) if "plan" in expand else named("plans", bought.full_name),
        "provider_id": fixed_id(f"resources/{addon.id}"),
        "provision_message": "",
        "state": "provisioned",
        "updated_at": moment(addon.created_at),
        "web_url": f"https://addons-sso.heroku.com/apps/{billing.id}/addons/{addon.id}",
    }


def attachment(estate: Estate, attachment: Attachment, *, include: Iterable[str] = ()) -> Json:
    """`include`: what Accept-Inclusion asked for, `addon:plan` and `config_vars`; the schema knows neither."""
    to, of = estate.addons[attachment.addon], estate.apps[attachment.app]
    billing = estate.apps[to.app]
    shape: Json = {
        "addon": {"id": to.id, "name": to.name, "app": {"id": billing.id, "name": billing.name}},
        "app": {"id": of.id, "name": of.name},
        "created_at": moment(attachment.created_at),
        "id": attachment.id,
        "log_input_url": None,
        "name": attachment.name,
        "namespace": attachment.namespace,
        "updated_at": moment(attachment.created_at),
        "web_url": f"https://addons-sso.heroku.com/apps/{of.id}/addons/{to.id}",
    }
    if "addon:plan" in include:
        shape["addon"]["plan"] = named("plans", plan(to.plan).full_name)
    if "config_vars" in include:
        owned = attachment.config_var
        shape["config_vars"] = [owned] if owned in estate.configs[of.name] else []
    return shape


def slug(slug: Slug, base_url: str) -> Json:
    return {
        "blob": {"method": "put", "url": f"{base_url}/slug-blobs/{slug.id}"},
        "buildpack_provided_description": None,
        "checksum": None,
        "commit": slug.commit,
        "commit_description": None,
        "created_at": moment(slug.created_at),
        "id": slug.id,
        "process_types": dict(slug.process_types),
        "size": None,
        "stack": named("stacks", STACK),
        "updated_at": moment(slug.created_at),
    }


def formation(estate: Estate, process: ProcessType) -> Json:
    return {
        "app": {"id": estate.apps[process.app].id, "name": process.app},
        "command": process.command,
        "created_at": moment(process.created_at),
        "dyno_size": named("dyno-sizes", process.size),
        "id": process.id,
        "quantity": process.quantity,
        "size": process.size,
        "type": process.type,
        "updated_at": moment(process.updated_at),
    }


def dyno(estate: Estate, dyno: Dyno) -> Json:
    release = estate.releases[dyno.app][dyno.release_version]
    return {
        "app": {"id": estate.apps[dyno.app].id, "name": dyno.app},
        "attach_url": None,
        "command": dyno.command,
        "created_at": moment(dyno.created_at),
        "id": dyno.id,
        "name": dyno.name,
        "release": {"id": release.id, "version": release.version},
        "size": dyno.size,
        "state": dyno.state.value,
        "type": dyno.type,
        "updated_at": moment(dyno.updated_at),
    }


def release(estate: Estate, release: Release, base_url: str) -> Json:
    of = estate.apps[release.app]
    stream = f"{base_url}/streams/{release.id}" if release.output is not None else None
    return {
        "addon_plan_names": sorted(plan(a.plan).full_name for a in estate.addons.values() if a.app == of.name),
        "app": {"id": of.id, "name": of.name},
        "artifacts": [{"type": "slug", "id": of.slug_id}],
        "created_at": moment(release.created_at),
        "current": release.version == of.serving_version,
        "description": release.description,
        "eligible_for_rollback": True,
        "id": release.id,
        "output_stream_url": stream,
        "slug": {"id": of.slug_id},
        "status": release.status.value,
        "updated_at": moment(release.updated_at),
        "user": {"email": release.by, "id": fixed_id(release.by)} if release.by else _owner(estate),
        "version": release.version,
    }


def _owner(estate: Estate) -> Json:
    return {"email": estate.user_email, "id": estate.user_id}


def log_session(session: LogSession, base_url: str) -> Json:
    return {
        "created_at": moment(session.created_at),
        "id": session.id,
        "logplex_url": f"{base_url}/logplex/sessions/{session.id}",
        "updated_at": moment(session.created_at),
    }


def buildpacks(app: App) -> list[Json]:
    known = "https://buildpack-registry.s3.amazonaws.com/buildpacks/{}.tgz"
    return [
        {
            "ordinal": ordinal,
            "buildpack": {"name": name, "url": name if "://" in name else known.format(name)},
        }
        for ordinal, name in enumerate(app.buildpacks)
    ]


def region() -> Json:
    return {
        **named("regions", REGION),
        "country": "United States",
        "created_at": EPOCH,
        "description": "United States",
        "locale": "Virginia",
        "private_capable": False,
        "provider": {"name": "amazon-web-services", "region": "us-east-1"},
        "updated_at": EPOCH,
    }


def stack() -> Json:
    return {
        **named("stacks", STACK),
        "created_at": EPOCH,
        "default": True,
        "state": "public",
        "updated_at": EPOCH,
    }
