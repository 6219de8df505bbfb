"""Roles and database on the new server, with everything that a dump takes for granted: before any data, by the master.

The application's role owns the database and is never the master.
"""

from dataclasses import dataclass

from pgcutover.errors import TargetNotEmptyError
from pgcutover.facts.rds import DatabaseFacts
from pgcutover.planning.target import TargetPlan
from pgcutover.running.step import Before, Finding, Json, Verdict
from pgcutover.steps.ports_aws import AwsWorld


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeDatabase:
    """Login roles, the database, its extensions in their schemas, its search path. Undone only while it is empty."""

    target: TargetPlan
    name: str = "database"
    keeps_target: bool = True

    @property
    def title(self) -> str:
        extensions = ", ".join(name for name, _ in self.target.extensions) or "no extensions"
        return f"make database {self.target.database}, owned by {self.target.app_role}, with {extensions}"

    @property
    def by_hand(self) -> str:
        roles = " ".join(f"DROP ROLE {role};" for role in self._roles)
        return f"as {self.target.master_user}: DROP DATABASE {self.target.database}; {roles}"

    @property
    def calls(self) -> tuple[str, ...]:
        target = self.target
        return (
            *(f"SQL CREATE ROLE {role} LOGIN" for role in self._roles),
            f"SQL GRANT pg_monitor, pg_signal_backend TO {target.app_role}",
            f"SQL CREATE DATABASE {target.database} OWNER {target.app_role} ENCODING {target.encoding} "
            f"LC_COLLATE {target.collate}",
            *(f"SQL CREATE EXTENSION {name} SCHEMA {schema}" for name, schema in target.extensions),
        )

    @property
    def _roles(self) -> tuple[str, ...]:
        return (self.target.app_role, *self.target.credentials)

    def observe(self, world: AwsWorld) -> Before:
        present: list[Json] = [role for role in self._roles if world.admin.role(role) is not None]
        return {"roles": present, "database": world.admin.database(self.target.database) is not None}

    def do(self, world: AwsWorld, before: Before) -> None:
        """Raises:
        TargetNotEmptyError: the database was there before us and holds something.
        """
        found = world.admin.database(self.target.database)
        if found is not None and before["database"] and found.objects:
            raise TargetNotEmptyError(
                f"database {found.name} on the new server already holds {', '.join(found.objects)}",
                hint="Drop or empty it, or plan anew: another run gets a database of its own.",
            )
        for role in self._roles:
            # The application's role closes the database, which ends whoever is in it: credentials, the master.
            world.admin.ensure_role(role, self.target.owned_by, ends_sessions=role == self.target.app_role)
        world.admin.ensure_database(self.target.database_spec)

    def verify(self, world: AwsWorld, before: Before) -> Finding:
        found = world.admin.database(self.target.database)
        present = [role for role in self._roles if world.admin.role(role) is not None]
        unchanged = {"roles": present, "database": found is not None} == dict(before)
        if found is None:
            verdict = Verdict.PARTIAL if present else Verdict.ABSENT
            return Finding(verdict=verdict, unchanged=unchanged, detail=self.target.database)
        wrong = self._wrong(world, found)
        extensions: dict[str, Json] = dict(found.extensions)
        return Finding(
            verdict=Verdict.PARTIAL if wrong else Verdict.WHOLE,
            unchanged=unchanged,
            detail="; ".join(wrong) or f"{found.name}, owned by {found.owner}",
            evidence={"owner": found.owner, "extensions": extensions, "search_path": found.search_path},
        )

    def undo(self, world: AwsWorld, before: Before) -> None:
        kept = before["roles"]
        assert isinstance(kept, list)
        if not before["database"]:
            world.admin.drop_empty_database(self.target.database)
        for role in self._roles:
            if role not in kept:
                world.admin.drop_role(role)

    def _wrong(self, world: AwsWorld, found: DatabaseFacts) -> list[str]:
        """What differs from the plan."""
        spec, offenders = self.target.database_spec, self._offenders(world)
        app = world.admin.role(self.target.app_role)
        checks = {
            f"its owner is {found.owner}": found.owner == spec.owner != self.target.master_user,
            f"its encoding is {found.encoding}": found.encoding == spec.encoding,
            f"its collation is {found.collate}": (found.collate, found.ctype) == (spec.collate, spec.ctype),
            "extensions are missing": set(found.extensions) >= set(spec.extensions),
            "schemas are missing": set(found.schemas) >= set(spec.schemas),
            f"its search_path is {found.search_path}": _names(found.search_path) == _names(spec.search_path),
            "PUBLIC's rights on schema public differ": found.public_create == spec.public_create,
            f"{', '.join(offenders)} cannot log in, or may too much": not offenders,
            f"{self.target.app_role} may not end sessions of others": app is not None and app.ends_sessions,
        }
        return [text for text, good in checks.items() if not good]

    def _offenders(self, world: AwsWorld) -> list[str]:
        facts = {role: world.admin.role(role) for role in self._roles}
        return [
            role
            for role, fact in facts.items()
            if fact is None or fact.privileged or not fact.login or not world.admin.can_log_in(role)
        ]


def _names(search_path: str) -> tuple[str, ...]:
    """A search path's schemas, however it is quoted."""
    return tuple(part.strip().strip('"') for part in search_path.split(",") if part.strip())
