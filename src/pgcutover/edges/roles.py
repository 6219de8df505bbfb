"""Roles on the new server: the application's, and one for each of the old database's further credentials.

None is the master or may become it. Passwords reach the server as SCRAM verifiers only, so that no statement log holds
one. A role that we made carries a mark (its comment); one without it is never changed.
"""

from typing import LiteralString

import psycopg
from psycopg import sql

from pgcutover.edges.postgres import Connection, query
from pgcutover.errors import RefusedError, TargetError
from pgcutover.facts.names import Secret
from pgcutover.facts.rds import RoleFacts

GRANT_OPTIONS_SINCE = 160000
"""From here membership alone neither inherits nor lets SET ROLE. https://www.postgresql.org/docs/16/sql-grant.html"""

WATCHING = ("pg_monitor", "pg_signal_backend")
"""What lets a role see and end sessions of other roles; Heroku's default credential has both, too.

https://devcenter.heroku.com/articles/heroku-postgresql-credentials
On RDS the master holds both with ADMIN OPTION, through rds_superuser.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Roles.rds_superuser.html
"""


def find_role(session: Connection, name: str) -> RoleFacts | None:
    row = session.execute(query("target_role"), {"name": name}).fetchone()
    if row is None:
        return None
    return RoleFacts(name=row[0], login=row[1], privileged=row[2], mark=row[3], ends_sessions=row[4])


def ensure_role(session: Connection, name: str, password: Secret, mark: str, *, ends_sessions: bool = False) -> None:
    """There is a login role of ours with this password, and the current user may act as it.

    With `ends_sessions` it may see and end the sessions of every role that is no superuser.

    Raises:
        RefusedError: a role of that name is somebody else's.
        TargetError: it is more than an application may be, or may not be given what it needs.
    """
    found = find_role(session, name)
    if found is not None and found.mark != mark:
        raise RefusedError(
            f"the role name {name} is taken on the new server by a role that pgcutover did not make",
            hint="Rename or drop that role, or use another instance.",
        )
    if found is not None and found.privileged:
        raise TargetError(
            f"role {name} has rights of an administrator on the new server",
            hint="An application must never be the master: revoke rds_superuser and the role's attributes.",
        )
    # Altering attributes that only a superuser may name would fail even when nothing changes.
    make = (
        "ALTER ROLE {} LOGIN PASSWORD {}"
        if found
        else "CREATE ROLE {} LOGIN INHERIT NOCREATEDB NOCREATEROLE PASSWORD {}"
    )
    role = sql.Identifier(name)
    with session.transaction():
        session.execute(sql.SQL(make).format(role, _verifier(session, name, password)))
        session.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(role, sql.Literal(mark)))
        session.execute(
            sql.SQL("GRANT {} TO CURRENT_USER" + _as_member(session, "INHERIT TRUE, SET TRUE")).format(role)
        )
        if ends_sessions:
            _let_end_sessions(session, name)


def drop_role(session: Connection, name: str) -> None:
    """Drop a role that owns nothing; one that is absent is no error."""
    session.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


def _let_end_sessions(session: Connection, name: str) -> None:
    wanted = sql.SQL(", ").join(map(sql.Identifier, WATCHING))
    grant = sql.SQL("GRANT {} TO {}" + _as_member(session, "INHERIT TRUE"))
    try:
        session.execute(grant.format(wanted, sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege as cause:
        raise TargetError(
            f"{session.info.user} may not grant {' and '.join(WATCHING)} to {name} on the new server",
            hint="Without them a forgotten session of another role could hold up the move while the application is "
            "closed. Use a master user that is a member of rds_superuser, or have somebody grant both to it.",
        ) from cause


def _as_member(session: Connection, options: LiteralString) -> LiteralString:
    return " WITH " + options if session.info.server_version >= GRANT_OPTIONS_SINCE else ""


def _verifier(session: Connection, name: str, password: Secret) -> sql.Literal:
    """What the server stores, computed here, as psql's \\password does.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/PostgreSQL_Password_Encryption_configuration.html
    """
    verifier = session.pgconn.encrypt_password(password.reveal().encode(), name.encode(), b"scram-sha-256")
    return sql.Literal(verifier.decode())
