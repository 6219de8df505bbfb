"""What a fence is found to be: who is still there, what may still be written, which tables are locked. Values only."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A session on the database that is not ours. Fields that our role may not see are '' or None."""

    pid: int
    user: str
    address: str
    """'' for a connection from the server's own machine."""
    application_name: str
    state: str
    since: datetime | None
    beyond_reach: bool
    """A superuser's: the platform's own, which we may not end. A fence's locks hold it all the same."""

    def __str__(self) -> str:
        name = f" ({self.application_name})" if self.application_name else ""
        return f"{self.user}@{self.address or 'local'}{name} pid {self.pid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceStatus:
    """A fence as found at one moment, against what was recorded before it was raised."""

    raised_at: datetime | None
    """When everything was revoked and no older session was left; None when that point was not reached."""
    read_only: bool
    """Whether new sessions are read-only by default."""
    setting_restored: bool
    """Whether that default is what was recorded."""
    writable: tuple[str, ...]
    """Privileges to write that somebody holds, in words."""
    beyond_taking: tuple[str, ...]
    """Rights to make tables that are not ours to take, in words: a table that is made is a leak, and found."""
    missing: tuple[str, ...]
    """Recorded privileges that nobody holds now, in words; not those that nobody could be given back."""
    not_given_back: tuple[str, ...]
    """Sentences about those: what they were on, or who had them, was dropped or renamed."""
    tables: tuple[str, ...]
    unknown_tables: tuple[str, ...]
    """Tables that were not there when the fence was recorded."""
    gone_tables: tuple[str, ...]
    """Tables that were recorded and are not there now."""
    unlocked: tuple[str, ...]
    """Tables on which no session of ours holds an EXCLUSIVE lock."""
    older_clients: tuple[Client, ...]
    """Sessions from before the fence that are not the platform's."""
    platform_clients: tuple[Client, ...]
    prepared: tuple[str, ...]
    large_objects_changed: bool
    """Large objects were made or removed since the fence was recorded; what they hold is behind a privilege."""
    server_changed: bool
    """Another server, or another timeline of it, than the one on which the fence was recorded."""

    @property
    def leaks(self) -> tuple[str, ...]:
        """Every way in which a write could get through, or did; () when there is none."""
        found = [] if self.read_only else ["new sessions may write by default"]
        found += [] if self.raised_at else ["sessions from before the fence were not all ended"]
        found += [f"may write: {w}" for w in self.writable]
        found += [f"appeared after the fence was recorded: {t}" for t in self.unknown_tables]
        found += [f"recorded and gone: {t}" for t in self.gone_tables]
        found += ["the server failed over or was replaced after the fence was recorded"] if self.server_changed else []
        found += [f"from before the fence: {c}" for c in self.older_clients]
        found += [f"prepared transaction {gid}" for gid in self.prepared]
        appeared = "large objects were made or removed after the fence was recorded"
        found += [appeared] if self.large_objects_changed else []
        return tuple(found)

    @property
    def only_older_clients(self) -> bool:
        """Nothing is wrong but sessions that were still logging in when the others were ended."""
        return bool(self.older_clients) and len(self.leaks) == len(self.older_clients)

    @property
    def locked(self) -> bool:
        return not self.unlocked

    @property
    def absent(self) -> bool:
        """Nothing of the fence is left."""
        nothing_locked = len(self.unlocked) == len(self.tables)
        return self.setting_restored and not self.missing and self.raised_at is None and nothing_locked


@dataclass(frozen=True, slots=True, kw_only=True)
class GateStatus:
    """Whether a target takes writes, as found."""

    closed: bool
    """Sessions are read-only by default."""
    closed_at: datetime | None
    opened_at: datetime | None
    """When it was last opened; None when it never was, or its record is gone."""
