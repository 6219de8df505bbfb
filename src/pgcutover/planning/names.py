"""What the parts of the target are called: by rule, from the app's name, so that every machine calls them the same.

Identifiers of RDS: letter first; letters, digits and hyphens; no two hyphens in a row, none at the end; at most 63.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.Constraints
PostgreSQL's: at most 63 bytes, and roles must not begin with `pg_`.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

LONGEST = 63
ROOM = 40
"""Of the app's name, so that every suffix fits; Heroku's names have at most 30 characters."""
RESERVED_DATABASES = frozenset({"postgres", "template0", "template1", "rdsadmin"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names of one app's target. Database and roles need no quoting."""

    instance: str
    database: str
    app_role: str
    master_user: str

    @property
    def security_group(self) -> str:
        return f"{self.instance}-rds"

    @property
    def subnet_group(self) -> str:
        return f"{self.instance}-rds"

    @property
    def secret(self) -> str:
        return f"pgcutover/{self.instance}"

    def parameter_group(self, family: str) -> str:
        return f"{self.instance}-{family}"

    @property
    def replica(self) -> str:
        return f"{self.instance}-replica"

    def replica_group(self, family: str) -> str:
        return f"{self.replica}-{family}"

    def snapshot(self, run_number: int) -> str:
        """Taken after the lift."""
        return f"{self.instance}-after-lift-{run_number}"

    def final_snapshot(self, run_number: int) -> str:
        """Taken, and kept, when the instance is destroyed."""
        return f"{self.instance}-final-{run_number}"


def names_for(app: str, *, run_number: int = 1, taken: Collection[str] = ()) -> Names:
    """The names for an app; `taken` are roles that the target gets besides. A later run has a database of its own."""
    words = re.sub(r"[^a-z0-9]+", "-", app.lower()).strip("-")
    if not words or not words[0].isalpha():
        words = f"db-{words}".rstrip("-")
    words = words[:ROOM].rstrip("-")
    plain = words.replace("-", "_")
    if plain.startswith(("pg_", "rds")):
        # Roles that begin with pg_ are refused by PostgreSQL; those of RDS itself begin with rds.
        plain = f"app_{plain}"
    database = f"{plain}_db" if plain in RESERVED_DATABASES else plain
    return Names(
        instance=words,
        database=database if run_number == 1 else f"{database}_{run_number}",
        app_role=_free(f"{plain}_app", taken),
        master_user=_free(f"{plain}_master", taken),
    )


def _free(name: str, taken: Collection[str]) -> str:
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate
