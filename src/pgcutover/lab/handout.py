"""What a lab hands to the person who started it: `lab.env` for a shell, and a ready pgcutover.toml.

Written by the daemon once it knows its ports, read by everything else. lab.env holds tokens and is 0600.
"""

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pgcutover.errors import UsageError
from pgcutover.lab.layout import LabLayout

REGION = "us-east-1"
TOML = """\
version = 1

[tools]
pg_bin = {pg_bin}
"""
ENVIRONMENT = """
# A lab: nobody's production, so no colleague's code is asked for.
[environments.{name}]
production = false
database = "{database}"
apps = {apps}
"""
APP = """
[environments.{name}.app.{app}]
smoke = "{smoke}"
"""
TARGET = """
[environments.{name}.target]
region = "{region}"
exposure = "public-tls"
size = "next"
postgres = "{postgres}"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where an API is and who may use it; `user` is empty where a token is all it takes."""

    url: str
    user: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One environment of the config."""

    name: str
    database: str
    smoke: Mapping[str, str]
    """Its apps, each with the command that tries it."""
    postgres: str


def variables(*, heroku: Access, aws: Access, ca: Path) -> dict[str, str]:
    """What pgcutover, the real Heroku CLI, the AWS CLI and boto3 need to meet the lab instead of the world.

    The Heroku CLI takes port and scheme of the Data API from HEROKU_HOST; without the two after the key it talks to
    hosts of Heroku's that no command asked for.
    """
    return {
        "HEROKU_HOST": heroku.url,
        "HEROKU_DATA_HOST": "127.0.0.1",
        "HEROKU_API_KEY": heroku.secret,
        "HEROKU_PARTICLEBOARD_URL": heroku.url,
        "DISABLE_TELEMETRY": "true",
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": aws.user,
        "AWS_SECRET_ACCESS_KEY": aws.secret,
        "AWS_DEFAULT_REGION": REGION,
        # Nobody who practises is to ask for credentials, or for a Region, on the network that they happen to be in.
        "AWS_EC2_METADATA_DISABLED": "true",
        "PGCUTOVER_RDS_CA": str(ca),
    }


def write_environment(layout: LabLayout, values: Mapping[str, str]) -> None:
    layout.environment.touch(mode=0o600)
    layout.environment.write_text("".join(f"export {name}={_quoted(value)}\n" for name, value in values.items()))


def read_environment(layout: LabLayout) -> dict[str, str]:
    """What `write_environment` wrote.

    Raises:
        UsageError: no lab has become ready in that directory.
    """
    try:
        text = layout.environment.read_text()
    except FileNotFoundError as cause:
        raise UsageError(
            f"no lab in {layout.directory}", hint="Start one: pgcutover lab up --dir DIRECTORY."
        ) from cause
    words = (word for word in shlex.split(text) if word != "export")
    return dict(word.split("=", 1) for word in words)


def write_config(layout: LabLayout, *, pg_bin: Mapping[int, Path], environments: Iterable[Environment]) -> None:
    # A JSON array of strings is a TOML one too.
    parts = [TOML.format(pg_bin=json.dumps([str(path) for path in pg_bin.values()]))]
    for one in environments:
        name, apps = one.name, json.dumps(list(one.smoke))
        parts.append(ENVIRONMENT.format(name=name, database=one.database, apps=apps))
        parts += [APP.format(name=name, app=app, smoke=command) for app, command in one.smoke.items()]
        parts.append(TARGET.format(name=name, region=REGION, postgres=one.postgres))
    layout.config.write_text("".join(parts))


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\"'\"'") + "'"
