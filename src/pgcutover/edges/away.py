"""What an error says of whoever was asked: away, as a server that restarts; or there, with another password.

Away is a moment that passes by itself, and takes its time: RDS fails over in one to two minutes, Heroku restarts a
database in less. A refusal is none of it: it comes back however long one waits.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.MultiAZSingleStandby.html#Concepts.MultiAZ.Failover
"""

from collections.abc import Iterator

import psycopg

from pgcutover.errors import HerokuError, PgcutoverError

# Class 08 is "connection exception", 57P01 to 57P03 are shutdown, crash and start-up.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
LOST = ("08", "57P01", "57P02", "57P03")


# A refused log-in comes without its code (libpq tells it of results only), so its words must do.
# https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/tcop/backend_startup.c
NOT_NOW = ("is starting up", "is not yet accepting connections", "is shutting down", "is in recovery mode")


LOCKED_OUT = "password authentication failed"


class UnavailableError(HerokuError):
    """A failure that may be gone a moment later: reads are tried again, after `wait_s` when Heroku said so."""

    wait_s: float | None = None


def away(error: BaseException) -> bool:
    """Whether whoever was asked could not be reached, or was just starting or ending."""
    return any(isinstance(one, UnavailableError | OSError) or _gone(one) for one in _causes(error))


def locked_out(error: PgcutoverError) -> bool:
    """Whether a server refused a password that was good before: Heroku rotates them when it likes."""
    return LOCKED_OUT in error.message


def _gone(error: BaseException) -> bool:
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    if error.sqlstate is not None:
        return error.sqlstate.startswith(LOST)
    text = str(error)
    return "FATAL" not in text or any(words in text for words in NOT_NOW)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
