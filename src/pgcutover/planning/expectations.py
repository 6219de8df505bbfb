"""Differences between two databases that a move brings, each with its reason.

Pure. Whatever is not listed here decides. The invariant: an expectation covers one kind of difference in one direction;
it never covers a loss that nobody was told of.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from pgcutover.facts.proof import DefinitionDifference, Standing
from pgcutover.planning.definitions import MADE_BEFORE, UNCARRIED_KINDS

Case = Callable[[DefinitionDifference], bool]

PUBLIC_RIGHTS = "database:rights of PUBLIC"
NOBODY = "nobody but the owner"
HIDDEN = "(hidden)"
"""In the place of what this role may not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """Holds for names that match and differences that are the case."""

    names: str
    """A regular expression, from the name's beginning."""
    case: Case
    reason: str
    standing: Standing = Standing.EXPECTED

    def covers(self, difference: DefinitionDifference) -> bool:
        return re.match(self.names, difference.name) is not None and self.case(difference)


def lost(difference: DefinitionDifference) -> bool:
    """The target has none."""
    return difference.target is None


def _added(difference: DefinitionDifference) -> bool:
    return difference.source is None


def any_case(_: DefinitionDifference) -> bool:
    return True


def _only_public_usage(difference: DefinitionDifference) -> bool:
    """All that the target adds, or lacks, is that everybody may look into the schema."""
    sides = [set((text or "").split("; ")) for text in (difference.source, difference.target)]
    return sides[0] ^ sides[1] <= {"PUBLIC: USAGE", NOBODY}


def _hidden(difference: DefinitionDifference) -> bool:
    return HIDDEN in (difference.source, difference.target)


def _more_than_had(difference: DefinitionDifference) -> bool:
    """Whoever may use it on the source may on the target, and further roles may, but not everybody."""
    ours, theirs = (
        {entry for entry in (text or "").split("; ") if entry not in ("", NOBODY)}
        for text in (difference.source, difference.target)
    )
    return ours < theirs and not any(entry.startswith("PUBLIC:") for entry in theirs - ours)


def _lost_unread(difference: DefinitionDifference) -> bool:
    return lost(difference) and _hidden(difference)


def _not_ours_to_set(difference: DefinitionDifference) -> bool:
    return lost(difference) and not re.search(
        r"on default (TABLES|SEQUENCES|FUNCTIONS|TYPES|SCHEMAS).* that \(owner\) makes$", difference.name
    )


MADE = "|".join(MADE_BEFORE)

# What pg_dump writes and pgcutover does not restore, by the beginning of our names.
DUMPED_KINDS = {
    "publication": "PUBLICATION",
    "publication table": "PUBLICATION TABLE",
    "publication columns": "PUBLICATION TABLE",
    "publication filter": "PUBLICATION TABLE",
    "publication schema": "PUBLICATION TABLES IN SCHEMA",
    "event trigger": "EVENT TRIGGER",
    "security label": "SECURITY LABEL",
    "subscription": "SUBSCRIPTION",
}

EXPECTATIONS = (
    Expectation(
        names="owner:",
        case=lost,
        reason="everything on the new server belongs to the application's role, here the database's owner",
    ),
    Expectation(
        names=rf"(schema:|rights:on schema )({MADE})$", case=_added, reason="the schema is made with the new database"
    ),
    Expectation(names=rf"owner:of schema ({MADE})$", case=any_case, reason="the schema is made with the new database"),
    Expectation(
        names="owner:of (event trigger|publication|foreign-data wrapper) ",
        case=any_case,
        reason="only the new server's master may make it",
    ),
    Expectation(
        names="owner's rights:",
        case=lost,
        reason="on the new server no owner has less than PostgreSQL gives it",
    ),
    Expectation(names="extension version:", case=any_case, reason="each server has its own versions of extensions"),
    Expectation(
        names="collation version:",
        case=any_case,
        reason="it is the operating system's; indexes of the new database were built with the new one",
    ),
    Expectation(names="comment:on extension ", case=any_case, reason="it is made with the extension"),
    Expectation(
        names=rf"comment:on schema ({MADE})$", case=any_case, reason="the schema is made with the new database"
    ),
    Expectation(names="comment:on the database$", case=any_case, reason="pgcutover marks the database that it makes"),
    Expectation(names="database:connection limit$", case=any_case, reason="it belongs to the old server's plan"),
    Expectation(
        names="database:(collation|character type|locale|locale provider)$",
        case=any_case,
        standing=Standing.UNDECIDED,
        reason="the new database was made with another locale: text may sort otherwise",
    ),
    Expectation(
        names=f"{PUBLIC_RIGHTS}$", case=any_case, reason="who may connect is no part of the data; Heroku is stricter"
    ),
    Expectation(
        names="database:rights of ",
        case=any_case,
        standing=Standing.UNDECIDED,
        reason="privileges on the database itself are not carried: grant them on the new server where they are needed",
    ),
    Expectation(
        names=rf"rights:on schema ({MADE})$",
        case=_only_public_usage,
        standing=Standing.UNDECIDED,
        reason="the schema is made with the new database",
    ),
    Expectation(
        names="rights:on (foreign-data wrapper|language) ",
        case=_more_than_had,
        reason="it is the new server's; there its master holds what a superuser holds on the old one",
    ),
    Expectation(
        names="rights:on (foreign-data wrapper|language) ",
        case=any_case,
        standing=Standing.UNDECIDED,
        reason="it belongs to an extension or to the server; the master may grant it on the new one",
    ),
    Expectation(
        names="rights:on default ",
        case=_not_ours_to_set,
        standing=Standing.UNDECIDED,
        reason="only the role that they are for, or the master, could set them on the new server",
    ),
    Expectation(names="invalid index:", case=lost, reason="pg_dump does not write an index that is not valid"),
    Expectation(
        names="enforcement:", case=lost, reason="pg_dump does not write it: the new server enforces the constraint"
    ),
    Expectation(
        names="user mapping:",
        case=_lost_unread,
        reason="its options are not for this role to read, so it does not move: make it again",
    ),
    Expectation(
        names="user mapping:",
        case=_hidden,
        standing=Standing.UNDECIDED,
        reason="its options are not for this role to read",
    ),
    *(
        Expectation(names=f"{kind}:", case=lost, reason=UNCARRIED_KINDS[dumped])
        for kind, dumped in DUMPED_KINDS.items()
        if dumped in UNCARRIED_KINDS
    ),
)


def expected(difference: DefinitionDifference) -> DefinitionDifference:
    """The same difference, with what it means where a move brings it."""
    for expectation in EXPECTATIONS:
        if expectation.covers(difference):
            return replace(difference, standing=expectation.standing, reason=expectation.reason)
    return difference
