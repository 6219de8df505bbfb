"""Names that must not be confused: secrets, connection strings, tables.

A value here never prints a password: `repr` and `str` are masked, and the clear text is reached only by `reveal()`.
"""

import re
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from pgcutover.errors import ConfigError

MASK = "********"
DEFAULT_PORT = 5432


class Secret:
    """A string that does not show itself: `repr`, `str` and format print a mask."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The clear text. Call it only where it leaves for the system that needs it."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dsn:
    """Where a PostgreSQL database is and who logs in. Printing it masks the password."""

    host: str
    port: int = DEFAULT_PORT
    user: str
    password: Secret = field(default_factory=lambda: Secret(""))
    database: str
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, url: str) -> "Dsn":
        """Read `postgres://user:password@host:port/database?option=value`.

        Raises:
            ConfigError: not such a URL; the message never quotes it, for it may hold a password.
        """
        try:
            parts = urlsplit(url.strip())
        except ValueError:
            # Not chained: its text quotes the password.
            raise ConfigError(
                "the postgres:// URL cannot be read", hint="Percent-encode special characters of the password."
            ) from None
        if parts.scheme not in ("postgres", "postgresql"):
            raise ConfigError("not a postgres:// URL", hint="Give postgres://user:password@host:port/database.")
        try:
            port = parts.port or DEFAULT_PORT
        except ValueError:
            # Not chained: what stands there is the password, when that holds an unencoded slash.
            raise ConfigError(
                "the port in the postgres:// URL is not a number from 1 to 65535",
                hint="Percent-encode special characters of the password, such as / # ? @.",
            ) from None
        if not parts.hostname or not parts.username or not parts.path.strip("/"):
            raise ConfigError(
                "the postgres:// URL lacks a host, a user or a database name",
                hint="Give postgres://user:password@host:port/database.",
            )
        return cls(
            host=parts.hostname,
            port=port,
            user=unquote(parts.username),
            password=Secret(unquote(parts.password or "")),
            database=unquote(parts.path.lstrip("/")),
            options=tuple(parse_qsl(parts.query)),
        )

    def url(self) -> Secret:
        """The whole URL, password included, port always written (PgBouncer's buildpack needs it)."""
        user, password = quote(self.user, safe=""), quote(self.password.reveal(), safe="")
        query = f"?{urlencode(self.options, quote_via=quote)}" if self.options else ""
        return Secret(f"postgres://{user}:{password}@{self.host}:{self.port}/{quote(self.database, safe='')}{query}")

    def with_options(self, **options: str) -> "Dsn":
        """The same place with these libpq options added or replaced."""
        return replace(self, options=tuple({**dict(self.options), **options}.items()))

    def same_place(self, other: "Dsn") -> bool:
        """Whether both name one database (host, port, name), whoever logs in.

        The same rule by which Heroku's own command line finds the config vars that hold a database's URL.
        """
        return (self.host, self.port, self.database) == (other.host, other.port, other.database)

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}/{self.database}"

    __repr__ = __str__


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TableName:
    """A schema-qualified name, as it stands in the catalogue: never quoted, never folded."""

    schema: str
    name: str

    @property
    def spelt(self) -> str:
        """As SQL spells it: unlike `str`, no two tables share it, so it can be a key."""
        return ".".join(
            part if re.fullmatch("[a-z_][a-z0-9_]*", part) else '"' + part.replace('"', '""') + '"'
            for part in (self.schema, self.name)
        )

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"
