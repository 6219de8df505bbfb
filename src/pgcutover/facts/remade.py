"""What names roles and is therefore made anew on the target, not restored. Values only."""

from dataclasses import dataclass

from pgcutover.facts.names import Secret

PUBLIC = "PUBLIC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A row security policy. `command` is ALL, SELECT, INSERT, UPDATE or DELETE; expressions are as the server words
    them, with every name qualified; None where there is none."""

    schema: str
    table: str
    name: str
    permissive: bool
    command: str
    roles: tuple[str, ...]
    """'PUBLIC' among them stands for everyone."""
    using: str | None
    check: str | None
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMapping:
    """Who a role is on a foreign server. `role` is 'PUBLIC' for everyone; `options` is None when they are hidden.

    Every value is a secret: which one is a password, only the wrapper knows.
    """

    server: str
    role: str
    options: tuple[tuple[str, Secret], ...] | None

    def __str__(self) -> str:
        return f"user mapping of {self.role} on server {self.server}"
