"""`pgcutover init`: look at an application and write a pgcutover.toml to start from."""

import re
from dataclasses import dataclass
from pathlib import Path

from pgcutover.app.estate import apps_on
from pgcutover.config import CONFIG_FILE, ENVIRONMENT_NAME, Surroundings
from pgcutover.edges.heroku import POSTGRESQL, HerokuClient, NotFoundError
from pgcutover.errors import ConfigError, RefusedError
from pgcutover.facts.estate import Addon

# Where Heroku's Common Runtime lives. https://devcenter.heroku.com/articles/regions
AWS_REGIONS = {"us": "us-east-1", "eu": "eu-west-1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenConfig:
    """The file that was written, and what is left for a person to decide."""

    path: Path
    apps: tuple[str, ...]
    addon: str
    to_decide: tuple[str, ...]


def write_config(
    path: Path, app: str, *, environment: str, attachment: str, region: str, exposure: str, around: Surroundings
) -> WrittenConfig:
    """Write the file; one that exists is never replaced.

    Raises:
        RefusedError: the file exists.
        ConfigError: no token, unknown app, or no Heroku Postgres under that attachment.
    """
    if path.exists():
        raise RefusedError(f"{path} exists", hint="Edit it, or move it away first.")
    if exposure not in ("", "public-tls", "private"):
        raise ConfigError(f"exposure is {exposure!r}", hint="Write public-tls or private.")
    if not re.fullmatch(ENVIRONMENT_NAME, environment):
        raise ConfigError(f"{environment!r} is no name for an environment", hint="Use lower case, digits and hyphens.")
    if not around.heroku_token:
        raise ConfigError("HEROKU_API_KEY is not set", hint="Run: export HEROKU_API_KEY=$(heroku auth:token)")
    with HerokuClient(around.heroku_token, host=around.heroku_host, data_host=around.heroku_data_host) as heroku:
        addon = _database(heroku, app, attachment)
        apps = apps_on(heroku, addon)
        chosen = region or AWS_REGIONS.get(heroku.app(app).region, heroku.app(app).region)
    path.write_text(_text(environment, addon, attachment, apps, chosen, exposure), "utf-8")
    to_decide = () if exposure else (f"exposure in {CONFIG_FILE}: public-tls or private",)
    return WrittenConfig(
        path=path,
        apps=apps,
        addon=addon.name,
        to_decide=(*to_decide, *(f"smoke command of {name}" for name in apps)),
    )


def _database(heroku: HerokuClient, app: str, attachment: str) -> Addon:
    try:
        attachments = heroku.app_attachments(app)
    except NotFoundError as cause:
        raise ConfigError(f"Heroku knows no app {app}, or the token may not see it") from cause
    found = next((a for a in attachments if a.name == attachment), None)
    addon = heroku.addon(found.addon) if found else None
    if addon is None or addon.service != POSTGRESQL:
        names = ", ".join(a.name for a in attachments) or "none"
        raise ConfigError(
            f"{app} has no Heroku Postgres attached as {attachment}",
            hint=f"Its attachments: {names}; use --attachment.",
        )
    return addon


def _text(environment: str, addon: Addon, attachment: str, apps: tuple[str, ...], region: str, exposure: str) -> str:
    production = "true" if environment == "production" else "false"
    listed = ", ".join(f'"{name}"' for name in apps)
    exposed = f'exposure = "{exposure}"' if exposure else '# exposure = "public-tls"   # or "private": you decide'
    smoke = "".join(
        f"\n[environments.{environment}.app.{name}]\n# smoke = \"bin/rails runner 'exit User.exists?'\"\n"
        for name in apps
    )
    return f"""version = 1

[environments.{environment}]
production = {production}
database = "{addon.billing_app}::{attachment}"
apps = [{listed}]
{smoke}
[environments.{environment}.target]
region = "{region}"
{exposed}
size = "next"            # closest | next | db.…
postgres = "same"        # major version; another is an explicit choice
"""
