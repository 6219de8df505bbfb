"""pgcutover.toml and the environment become one frozen Config; secrets stay wrapped.

Nothing else in the project reads the environment. Unknown keys are refused with the nearest known one, because a
misspelt key that is silently ignored is a decision nobody took.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pgcutover.errors import ConfigError
from pgcutover.facts.names import Secret

CONFIG_FILE = "pgcutover.toml"
STATE_DIRECTORY = ".pgcutover"

APP_NAME = r"^[a-z][a-z0-9-]{0,28}[a-z0-9]$"
"""Heroku's own rule for app names. https://devcenter.heroku.com/articles/platform-api-reference#app"""

ENVIRONMENT_NAME = r"^[a-z][a-z0-9-]{0,30}$"


SNS_TOPIC = r"^(arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?)?$"
"""https://docs.aws.amazon.com/sns/latest/dg/sns-create-topic.html"""


class _Ours(BaseModel):
    """A part of our own file: unknown keys are refused."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")


class TargetChoices(_Ours):
    """`[environments.NAME.target]`: what a person decides about the new database."""

    region: str
    exposure: Literal["public-tls", "private"]
    """Whether the instance has a public address; written by a person, so there is no default."""
    size: str = "next"
    """closest, next (one tier above), or a class such as db.m7g.large."""
    postgres: str = "same"
    existing: str = ""
    """Identifier of an RDS instance that somebody else made; it is used, never changed beyond its parameter group."""
    master_secret: str = ""
    """For existing: name or ARN of the Secrets Manager secret with the master's login."""
    parameter_group: str = ""
    """For existing: the parameter group whose values may change while the data is loaded; empty: none is touched."""
    storage_gb: int | None = Field(default=None, ge=20, le=65536)
    multi_az: bool = False
    replica: Literal["auto", "before-load", "after-lift", "none"] = "auto"
    """When the read replica is made that takes the followers' place; auto lets the plan choose, and say why."""
    replica_size: str = "same"
    """Class of the replica: same as the primary's, or one such as db.m7g.large."""
    alarms: bool = True
    """Whether the new instance, and its replica, get CloudWatch alarms."""
    alarm_topic: Annotated[str, Field(pattern=SNS_TOPIC)] = ""
    """ARN of the SNS topic that alarms are told to; empty: they are only seen in the console."""
    retention_days: int = Field(default=7, ge=1, le=35)
    ca_bundle: str = ""
    """PEM file with the CA of the RDS certificates; fetched from AWS when empty."""
    app_sslmode: Literal["auto", "require", "none"] = "auto"
    """What the applications' URLs say about TLS; auto: require, but nothing for apps behind the PgBouncer buildpack."""
    allowed_cidrs: tuple[str, ...] = ()
    """Who may reach port 5432; empty means 0.0.0.0/0 for public-tls, for Heroku's dynos have no fixed addresses."""
    subnet_ids: tuple[str, ...] = ()

    @field_validator("postgres")
    @classmethod
    def _major_version(cls, value: str) -> str:
        if value != "same" and not value.isdigit():
            raise ValueError("give a major version such as 18, or same")
        return value


class AppChoices(_Ours):
    """`[environments.NAME.app.APP]`: how the application is tried."""

    smoke: str = ""
    """Command for a one-off dyno that exits 0 when the application works on its database."""
    connect: str = 'psql "$DATABASE_URL" --no-psqlrc --tuples-only --no-align --command="select 1"'
    """Command for a one-off dyno that proves that the new database can be reached; Heroku's stacks carry psql."""


class HostChoices(_Ours):
    """`[environments.NAME.host]`: what a person decides about the migration host."""

    size: str = "auto"
    """auto, or a class of EC2 such as c7gn.2xlarge."""
    instance_profile: str = ""
    """Name or ARN of an instance profile that somebody else made; a minimal one is made when empty."""
    subnet_id: str = ""
    install: str = ""
    """What pip installs there, and `host up` wants it named; pgcutover alone means the version that runs here."""

    @field_validator("install")
    @classmethod
    def _pip_spec(cls, value: str) -> str:
        if not value.strip() or value.startswith("-") or "\n" in value:
            raise ValueError("give one thing that pip can install, such as pgcutover==0.1.0")
        if re.search(r"://[^/]*@", value):
            raise ValueError("a secret in an address would be kept in the account's history of commands")
        return value


class EnvironmentChoices(_Ours):
    """`[environments.NAME]`: one database and the apps on it."""

    production: bool = False
    database: str
    apps: tuple[Annotated[str, Field(pattern=APP_NAME)], ...] = Field(min_length=1)
    app: Mapping[str, AppChoices] = Field(default_factory=dict)
    target: TargetChoices
    host: HostChoices = HostChoices()

    @field_validator("database")
    @classmethod
    def _app_and_attachment(cls, value: str) -> str:
        app, separator, attachment = value.partition("::")
        if not (app and separator and attachment):
            raise ValueError("write billing-app::ATTACHMENT, for example acme-api::DATABASE")
        return value

    @property
    def billing_app(self) -> str:
        return self.database.partition("::")[0]

    @property
    def attachment(self) -> str:
        return self.database.partition("::")[2].removesuffix("_URL")


class Tools(_Ours):
    """`[tools]`: where PostgreSQL's own client programs are."""

    pg_bin: tuple[str, ...] = ()


class ConfigFile(_Ours):
    """The whole of pgcutover.toml."""

    version: Literal[1]
    tools: Tools = Tools()
    environments: Mapping[Annotated[str, Field(pattern=ENVIRONMENT_NAME)], EnvironmentChoices]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the process environment says; read once, here."""

    heroku_token: Secret
    heroku_host: str
    heroku_data_host: str
    rds_ca: str
    metadata_endpoint: str = ""
    """Another address of EC2's metadata service than its own, as boto3 understands it."""
    metadata_disabled: bool = False

    def token(self) -> Secret:
        """Heroku's token.

        Raises:
            ConfigError: none is set.
        """
        if not self.heroku_token:
            raise ConfigError(
                "HEROKU_API_KEY is not set",
                hint="Run: export HEROKU_API_KEY=$(heroku auth:token), or make a long-lived one with "
                "heroku authorizations:create --scope=global.",
            )
        if not _PRINTABLE.fullmatch(self.heroku_token.reveal()):
            # It would be refused as a header, by a message that quotes it.
            raise ConfigError("HEROKU_API_KEY holds characters that no token has", hint="Copy the token again.")
        return self.heroku_token

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> "Surroundings":
        return cls(
            heroku_token=Secret(environ.get("HEROKU_API_KEY", "").strip()),
            heroku_host=environ.get("HEROKU_HOST", ""),
            heroku_data_host=environ.get("HEROKU_DATA_HOST", ""),
            rds_ca=environ.get("PGCUTOVER_RDS_CA", ""),
            metadata_endpoint=environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", ""),
            metadata_disabled=environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything a command needs to know before it looks at the world."""

    file: Path
    environment: str
    choices: EnvironmentChoices
    tools: Tools
    surroundings: Surroundings
    others: tuple[str, ...] = ()
    """The file's other environments."""

    @property
    def state(self) -> Path:
        """Where this environment's plans, journal and saved values live."""
        return self.state_of(self.environment)

    def state_of(self, environment: str) -> Path:
        return self.file.parent / STATE_DIRECTORY / environment

    def app_choices(self, app: str) -> AppChoices:
        return self.choices.app.get(app, AppChoices())

    def token(self) -> Secret:
        """Heroku's token; raises as `Surroundings.token`."""
        return self.surroundings.token()


def read_config(path: Path, environment: str | None, surroundings: Surroundings) -> Config:
    """Read pgcutover.toml and pick an environment (the only one when none is named).

    Raises:
        ConfigError: no such file, not TOML, unknown key, missing or wrong value, unknown environment.
    """
    file = _parse(path)
    name = environment or _only(file, path)
    if name not in file.environments:
        known = ", ".join(sorted(file.environments))
        raise ConfigError(f"{path}: no environment named {name!r}", hint=f"Known: {known}.")
    choices = file.environments[name]
    for app in choices.app:
        if app not in choices.apps:
            raise ConfigError(
                f"{path}: environments.{name}.app.{app} is not in apps", hint=f"Add {app!r} to apps or remove it."
            )
    if choices.billing_app not in choices.apps:
        raise ConfigError(
            f"{path}: the billing app {choices.billing_app} is not in apps of environment {name}",
            hint=f"Add {choices.billing_app!r} to apps.",
        )
    return Config(
        file=path,
        environment=name,
        choices=choices,
        tools=file.tools,
        surroundings=surroundings,
        others=tuple(sorted(set(file.environments) - {name})),
    )


def _only(file: ConfigFile, path: Path) -> str:
    if len(file.environments) != 1:
        known = ", ".join(sorted(file.environments)) or "none"
        raise ConfigError(f"{path} has several environments", hint=f"Choose one with --env. Known: {known}.")
    return next(iter(file.environments))


def _parse(path: Path) -> ConfigFile:
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as cause:
        raise ConfigError(f"no {path.name} in {path.parent}", hint="Run pgcutover init APP to write one.") from cause
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
        raise ConfigError(f"{path} is not valid TOML: {cause}") from cause
    except OSError as cause:
        raise ConfigError(f"{path} cannot be read: {cause.strerror}") from cause
    try:
        return ConfigFile.model_validate(raw)
    except ValidationError as cause:
        problems = [_problem(error) for error in cause.errors()]
        raise ConfigError(f"{path}: " + "; ".join(problems), hint="docs/configuration.md lists every key.") from cause


def _problem(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(error["loc"][-1]), _KEYS, n=1)
        return f"unknown key {where}" + (f" (did you mean {close[0]}?)" if close else "")
    if error["type"] == "missing":
        return f"missing key {where}"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"


_PRINTABLE = re.compile(r"[!-~]+")
_KEYS = sorted(
    {
        key
        for model in (ConfigFile, Tools, EnvironmentChoices, AppChoices, TargetChoices, HostChoices)
        for key in model.model_fields
    }
)
