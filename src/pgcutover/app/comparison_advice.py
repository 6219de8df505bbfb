"""What to do next, after a comparison that was no pass: one or two sentences that fit what was found.

Pure: words in, words out. The invariant: nothing here changes a verdict, and nothing that is advised loses a row.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from pgcutover.edges.postgres import HINTS
from pgcutover.facts.proof import Doubt

# What libpq and servers say of a log-in that failed, in order of what is told first. A refused log-in has no SQLSTATE:
# https://www.postgresql.org/docs/current/libpq-status.html#LIBPQ-PQERRORMESSAGE
REFUSALS: Mapping[str, str] = {
    r"password authentication failed|SCRAM": "The server refuses this user or password: look at the password in "
    "{variable}, the service file or ~/.pgpass.",
    r"no password supplied": "No password was given: put it into ~/.pgpass, or into the URL in {variable}.",
    r'database ".*" does not exist': "There is no such database on that server: look at the name after the last slash.",
    r'role ".*" does not exist': "There is no such user on that server: look at the name before the @.",
    r"permission denied for database|not permitted to log in": "This user may not log in there: GRANT CONNECT on the "
    "database, or name another user.",
    r"no pg_hba\.conf entry": "The server takes no such log-in (pg_hba.conf: user, database, address, TLS or not): try "
    "sslmode=require, and look from which addresses it may be reached.",
    r"could not translate host name|failed to resolve host|Name or service not known": "This machine finds no such "
    "host: look at its spelling, at DNS, and whether a VPN is needed.",
    r"server does not support SSL": "The server offers no TLS, which is asked for beyond this machine: add "
    "sslmode=disable only where nobody can listen.",
    r"root certificate file|certificate|SSL error|tlsv1": "TLS could not be agreed: look at sslmode, sslrootcert, and "
    "whether the host name is the one in the certificate.",
    r"Connection refused": "Nothing listens there: look at host and port, and whether the server is up.",
    r"timeout expired|timed out|No route to host|unreachable": "Nobody answers there: look at host and port, at "
    "firewalls, security groups, and whether a VPN is needed.",
    r"too many clients|too many connections|connection slots": "The server has no free connection: lower --jobs, or "
    "end clients.",
    r"starting up|shutting down|recovery mode": "The server is starting or stopping: compare again in a minute.",
}
READ_ANEW = HINTS["28P01"]
ONE_DATABASE = (
    "Look at --source and --target, or PGCUTOVER_SOURCE and PGCUTOVER_TARGET: one of them names the wrong database."
)
NOT_BY_THEMSELVES = (
    "Definitions and sequences do not come right by themselves: mend on the target what is named above, then compare "
    "again."
)
STILL = (
    "Rows differ by themselves while somebody writes: let nobody write to either database and compare again. What "
    "differs then is different; comparing has changed nothing."
)
BEFORE_LIFT = (
    "Do not switch and do not lift on this: the old database is the one to trust. pgcutover status says where the move "
    "stands (before migrate has copied, a difference is no surprise), and docs/runbook.md what to do then."
)
AFTER_LIFT = (
    "The application is on the new database already: mend there what is named above, or go back with pgcutover "
    "rollback, which exports the rows written since; docs/runbook.md says when."
)
LEAKING = (
    "What is written to the old database now is not on the new one: find out who writes there and stop them; pgcutover "
    "status says where the move stands."
)
NOT_BEFORE_LIFT = "Until then do not switch and do not lift."
DOUBTS: Mapping[str, str] = {
    r"row-level security": "Row security hides rows from this role: compare as the tables' owner where it is not "
    "forced, or as a role with BYPASSRLS.",
    r"permission denied|may not be read": "A right is missing: GRANT the role SELECT on what is named (on schemas "
    "USAGE), or compare as the owner; docs/rights.md lists the rights.",
}
AGAIN = "Something was changed while it was read: compare again when nobody truncates, rewrites or redefines."
OTHERWISE = 'Mend what is named under "Could not be verified", then compare again.'


def after_refusal(message: str, hint: str, *, side: Literal["source", "target"], of_run: bool) -> str:
    """What to do when a database could not be asked; `hint` where nothing better is known."""
    if of_run and "certificate verify failed" in message:
        return hint
    for said, advice in REFUSALS.items():
        if re.search(said, message):
            if of_run and "password" in said:
                return READ_ANEW
            return f"{side}: {advice.format(variable=f'PGCUTOVER_{side.upper()}')}"
    return f"{side}: {hint}" if hint else ""


def after_difference(*, rows: bool, others: bool, of_run: bool, lifted: bool) -> tuple[str, ...]:
    """`rows`: tables differ; `others`: definitions or sequences do."""
    if not of_run:
        return (*([NOT_BY_THEMSELVES] if others else []), *([STILL] if rows else []))
    return (AFTER_LIFT if lifted else BEFORE_LIFT,)


def after_doubts(doubts: Sequence[Doubt], *, of_run: bool, lifted: bool) -> tuple[str, ...]:
    """By why each could not be verified."""
    found = dict.fromkeys(advice for said, advice in DOUBTS.items() if any(re.search(said, d.error) for d in doubts))
    if any(doubt.redo for doubt in doubts):
        found[AGAIN] = None
    known = "|".join(DOUBTS)
    if any(not d.redo and not re.search(known, d.error) for d in doubts):
        found[OTHERWISE] = None
    return (*found, *([NOT_BEFORE_LIFT] if of_run and not lifted else []))
