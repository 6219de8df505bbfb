"""Dropping a database with whoever is still in it."""

from contextlib import suppress

from psycopg import errors, sql

from pgcutover.edges.postgres import Connection

TRIES = 3


def drop_database(session: Connection, name: str) -> None:
    """There is none of that name. What a killed program left at work in it is ended: it has our role.

    Nobody but a superuser may end an autovacuum worker, so with one in the database the server refuses to end anybody;
    without FORCE it ends the worker itself, and waits five seconds for all others to leave.
    https://www.postgresql.org/docs/current/sql-dropdatabase.html
    """
    gently = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
    forced = gently + sql.SQL(" WITH (FORCE)")
    for statement in (*(TRIES - 1) * (forced, gently), forced):
        with suppress(errors.InsufficientPrivilege, errors.ObjectInUse):
            session.execute(statement)
            return
    session.execute(gently)
