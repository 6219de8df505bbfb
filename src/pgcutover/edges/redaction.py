"""What may be shown of a request and its answer to people who have no business in the account.

Masked: every value under a key that names a secret, every login of a URL, every secret that was named beforehand, the
values of config vars, who a person is. Marked, so that the same one is recognised within a transcript and nowhere else:
host names, addresses, account numbers, access keys, e-mail addresses, networks, names that Heroku draws.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any

MASK = "********"
SECRET_KEY = re.compile(
    r"passw|secret|token|api_?key|credential|authorization|private_key|resource_url|^userid$", re.IGNORECASE
)
PERSON = "email"
"""Whoever has one is a person or a team: then neither id nor name is shown."""
OF_A_PERSON = frozenset({"id", "name"})
CONFIG_VARS = re.compile(r"/config-vars$")
LOGIN = re.compile(r"(?<=://)[^/\s\"'@]*@")
# Long enough that no version, parameter or class of ours looks like one: rds.force_ssl, db.t4g.micro, 18.1.
HOST = re.compile(r"\b(?:[a-z0-9_-]+\.)+(?:com|net|org|io|dev|app|example|internal|cn)\b", re.IGNORECASE)
SHOWN_HOSTS = frozenset({"devcenter.heroku.com", "docs.aws.amazon.com"})
ADDRESS = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b(?!/0)")
EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
ACCOUNT = re.compile(r"(?<!\d)\d{12}(?!\d)")
DRAWN = re.compile(r"\b[du][a-z0-9]{13}\b")
ACCESS_KEY = re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b")
NETWORK = re.compile(r"\b(?:vpc|subnet|sg)-[0-9a-f]{8,}\b")
KINDS = (
    (EMAIL, "email"),
    (HOST, "host"),
    (ADDRESS, "address"),
    (ACCOUNT, "account"),
    (ACCESS_KEY, "key"),
    (NETWORK, "network"),
    (DRAWN, "drawn"),
)
SHORTEST_SECRET = 6
"""Shorter ones would be found in half of all words."""
MOST_ROWS = 400
"""Of one list: the parameters of a family are more, and are wanted; a runaway log is not."""


class Redactor:
    """For one transcript: its marks mean nothing in another one."""

    def __init__(self) -> None:
        self._salt = secrets.token_bytes(16)
        self._known: set[str] = set()

    def know(self, *secrets_: str) -> None:
        """Never show these, wherever they turn up."""
        self._known |= {secret for secret in secrets_ if len(secret) >= SHORTEST_SECRET}

    def shown(self, value: Any, *, path: str = "") -> Any:
        """A JSON value as it may be shown; `path` of the request, for config vars."""
        if CONFIG_VARS.search(path) and isinstance(value, Mapping):
            return {key: None if one is None else MASK for key, one in value.items()}
        return self._value(value)

    def text(self, text: str) -> str:
        for secret in self._known:
            text = text.replace(secret, MASK)
        text = LOGIN.sub(f"{MASK}@", text)
        for pattern, kind in KINDS:
            text = pattern.sub(partial(self._mark, kind), text)
        return text

    def _value(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            hidden = OF_A_PERSON if PERSON in value else ()
            return {
                self.text(str(key)): MASK if key in hidden else self._entry(str(key), one) for key, one in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._value(one) for one in value[:MOST_ROWS]]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self.text(str(value))

    def _entry(self, key: str, value: Any) -> Any:
        # A flag such as ManageMasterUserPassword says nothing; whether there is a value at all is no secret.
        if SECRET_KEY.search(key) and not isinstance(value, bool | None):
            return MASK
        return self._value(value)

    def _mark(self, kind: str, found: re.Match[str]) -> str:
        text = found[0].lower()
        return text if text in SHOWN_HOSTS else f"{kind}-{hashlib.sha256(self._salt + text.encode()).hexdigest()[:8]}"
