"""Passwords of the new database: made here, kept in Secrets Manager, and nowhere else.

A secret is one JSON object: {"master": {…}, "app": {…}, "credentials": {ROLE: {…}}}, with each login as
{"username", "password"}, the form that RDS itself uses. A password that exists is never replaced: an application may
already hold it.
"""

import json
import secrets
import string
from collections.abc import Mapping
from typing import Any

from pgcutover.edges.aws_calls import AwsCalls
from pgcutover.edges.aws_network import refuse_foreign
from pgcutover.errors import AwsError, ConfigError
from pgcutover.facts.names import Secret
from pgcutover.facts.rds import Logins, SecretFacts, Tags, is_ours

MASTER_ALPHABET = string.ascii_letters + string.digits + "!#$%&*()-_=+[]{}<>:?"
"""RDS takes printable ASCII without slash, quotes, at sign and space.
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html"""
APP_ALPHABET = string.ascii_letters + string.digits
"""PgBouncer's buildpack splits URLs with a regular expression that does not decode %XX before 0.17.

https://github.com/heroku/heroku-buildpack-pgbouncer"""
MASTER_LENGTH = 40
APP_LENGTH = 48
RECOVERY_DAYS = 30


class AwsSecrets:
    def __init__(self, calls: AwsCalls) -> None:
        self._calls = calls

    def describe(self, name: str) -> SecretFacts | None:
        """Whose logins a secret holds; None when there is none, or when it waits for its deletion."""
        row = self._row(name)
        if row is None or row.get("DeletedDate"):
            return None
        users = _users(self._content(name))
        return SecretFacts(arn=row["ARN"], users=users, tags=_tags(row))

    def ensure(self, name: str, logins: Logins, tags: Tags) -> None:
        """There is a secret of ours with a password for each of these logins.

        Raises:
            RefusedError: the name is somebody else's.
        """
        row = self._row(name)
        if row is None:
            self._create(name, logins, tags)
            return
        refuse_foreign("secret", name, dict(_tags(row)), tags)
        if row.get("DeletedDate"):
            self._calls.call("secretsmanager", "restore_secret", SecretId=name)
        held = self._content(name)
        wanted = _completed(held, logins)
        if wanted != held:
            self._calls.call("secretsmanager", "put_secret_value", SecretId=name, SecretString=json.dumps(wanted))

    def logins(self, name: str) -> Mapping[str, Secret]:
        """Passwords by user name, of a secret of ours or of one with a single login, as RDS manages them.

        Raises:
            AwsError: there is no such secret.
            ConfigError: it holds something else.
        """
        content = self._content(name)
        found = {row["username"]: Secret(row["password"]) for row in _rows(content)}
        if not found:
            raise ConfigError(
                f"the secret {name} holds no login", hint='It must be {"username": "…", "password": "…"}.'
            )
        return found

    def remove(self, name: str, tags: Tags) -> None:
        """Let a secret of ours be deleted after 30 days; until then `ensure` brings it back, passwords and all."""
        row = self._row(name)
        if row is not None and not row.get("DeletedDate") and is_ours(dict(_tags(row)), tags):
            self._calls.call(
                "secretsmanager",
                "delete_secret",
                tolerated={"ResourceNotFoundException"},
                SecretId=name,
                RecoveryWindowInDays=RECOVERY_DAYS,
            )

    def _create(self, name: str, logins: Logins, tags: Tags) -> None:
        with self._calls.timed(f"secret {name}"):
            self._calls.call(
                "secretsmanager",
                "create_secret",
                Name=name,
                Description="made by pgcutover: logins of the database of a Heroku application",
                SecretString=json.dumps(_completed({}, logins)),
                Tags=[{"Key": key, "Value": value} for key, value in sorted(tags.items())],
            )

    def _row(self, name: str) -> dict[str, Any] | None:
        reply = self._calls.call(
            "secretsmanager", "describe_secret", tolerated={"ResourceNotFoundException"}, SecretId=name
        )
        return reply or None

    def _content(self, name: str) -> dict[str, Any]:
        reply = self._calls.call(
            "secretsmanager", "get_secret_value", tolerated={"ResourceNotFoundException"}, SecretId=name
        )
        if "SecretString" not in reply:
            raise AwsError(f"there is no secret {name}", hint="Run pgcutover prepare, which makes it.")
        content = _parsed(reply["SecretString"])
        if content is None:
            raise ConfigError(f"the secret {name} is not a JSON object", hint="Was it edited by hand?")
        return content


def _parsed(text: str) -> dict[str, Any] | None:
    """The object in a secret; None, without the parser's error, which would carry the text."""
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _completed(held: Mapping[str, Any], logins: Logins) -> dict[str, Any]:
    """What is held, with what is missing."""
    wanted = dict(held)
    if logins.master and "master" not in wanted:
        wanted["master"] = _login(logins.master, MASTER_ALPHABET, MASTER_LENGTH)
    if "app" not in wanted:
        wanted["app"] = _login(logins.app, APP_ALPHABET, APP_LENGTH)
    credentials = dict(wanted.get("credentials", {}))
    for role in logins.credentials:
        credentials.setdefault(role, _login(role, APP_ALPHABET, APP_LENGTH))
    return {**wanted, "credentials": credentials}


def _login(user: str, alphabet: str, length: int) -> dict[str, str]:
    return {"username": user, "password": "".join(secrets.choice(alphabet) for _ in range(length))}


def _rows(content: Mapping[str, Any]) -> list[Mapping[str, str]]:
    rows = [content, content.get("master"), content.get("app"), *dict(content.get("credentials", {})).values()]
    return [row for row in rows if isinstance(row, Mapping) and "username" in row and "password" in row]


def _users(content: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(row["username"] for row in _rows(content)))


def _tags(row: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((tag["Key"], tag["Value"]) for tag in row.get("Tags", [])))
