"""Whether the old database's server is the one that a person agreed to, before anybody logs in to it.

Heroku's certificates sign themselves on most plans, so nobody can vouch for them: the first one that is seen, at
inventory or plan, is held from then on. It is the only root that any connection of ours trusts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pgcutover.app.records import Records
from pgcutover.edges.certificates import look
from pgcutover.errors import StalePlanError
from pgcutover.facts.certificate import Anchor
from pgcutover.facts.names import Dsn
from pgcutover.running.step import Json

ACCEPTED = "certificate accepted"
"""Kind of the note that says which certificate a person accepted in the middle of a run."""

NOT_ENFORCED = (
    " Once accepted it is compared before each command only, and the connections that follow are encrypted but not "
    "held to it: it is expired, or signed by an authority that the server does not show."
)
"""Said to whoever is about to accept such a certificate; the plan's advice says the same of the one it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """The old database with what holds its server, and the certificate that it is held to."""

    dsn: Dsn
    anchor: Anchor


def trust(dsn: Dsn, *, pinned: str, state: Path) -> Trusted:
    """Hold the server to the pinned certificate; '' pins what is there.

    Raises:
        StalePlanError: the server presents another one.
        SourceError: it cannot be looked at.
    """
    anchor = look(dsn)
    if pinned and anchor.sha256 != pinned:
        raise changed(dsn, pinned=pinned, anchor=anchor)
    if not anchor.enforced:
        return Trusted(dsn=dsn.with_options(sslmode="require", gssencmode="disable"), anchor=anchor)
    # Its name says which: another command that accepts another certificate must not change what this one trusts.
    root = Records(state).write(state / f"source-{anchor.sha256}.pem", anchor.certificate.pem)
    mode = "verify-full" if anchor.named else "verify-ca"
    # Kerberos would encrypt without any certificate.
    return Trusted(dsn=dsn.with_options(sslmode=mode, sslrootcert=str(root), gssencmode="disable"), anchor=anchor)


def changed(dsn: Dsn, *, pinned: str, anchor: Anchor) -> StalePlanError:
    """The refusal, with what to do: in the middle of a move nobody must be forced to go back by a failover."""
    found = anchor.sha256
    return StalePlanError(
        f"source {dsn} presents another certificate than the plan knows: sha256 {found}, not {pinned}",
        hint="Expected after a failover, maintenance or a change of plan at Heroku (heroku data:maintenances, "
        "heroku pg:info): then accept it, before the move with pgcutover plan, from the fence on with "
        f"--accept-certificate {found} (for migrate, rollback and retire). If nothing of that kind happened, somebody "
        f"may stand in between.{'' if anchor.enforced else NOT_ENFORCED}",
    )


def pinned_by(planned: str, notes: Sequence[Mapping[str, Json]]) -> str:
    """The certificate in force: the one accepted last, else the plan's."""
    return str(notes[-1]["sha256"]) if notes else planned
