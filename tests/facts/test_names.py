"""Secrets and connection strings never show a password, and mean the same after a round trip."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgcutover.errors import ConfigError
from pgcutover.facts.names import Dsn, Secret

CANARY = "c4n4ry-p4ss"


def test_a_secret_never_shows_itself() -> None:
    """repr, str and format of a secret, alone or in a Dsn, print a mask."""
    dsn = Dsn(host="h", user="u", password=Secret(CANARY), database="d")
    shown = f"{Secret(CANARY)} {Secret(CANARY)!r} {dsn} {dsn!r} {dsn.url()}"
    assert CANARY not in shown


@given(
    user=st.text(min_size=1, max_size=20),
    password=st.text(max_size=20),
    database=st.text(min_size=1, max_size=20).filter(lambda s: s.strip("/") == s and s.strip() == s),
)
def test_a_url_means_the_same_after_a_round_trip(user: str, password: str, database: str) -> None:
    """Any user, password and database name survive being written as a URL and read again."""
    dsn = Dsn(host="db.example", port=5433, user=user, password=Secret(password), database=database)
    assert dsn == Dsn.parse(dsn.url().reveal())


@pytest.mark.parametrize(
    "url",
    ["mysql://u:c4n4ry-p4ss@h/d", "postgres://h/d", "postgres://u:c4n4ry-p4ss@h", "postgres://u:c4n4ry-p4ss@h:x/d", ""],
)
def test_a_wrong_url_is_refused_without_being_quoted(url: str) -> None:
    """A URL that cannot be read is a ConfigError whose text does not hold the password."""
    with pytest.raises(ConfigError) as caught:
        Dsn.parse(url)
    assert CANARY not in str(caught.value)


def test_the_port_is_always_written() -> None:
    """A URL without a port gets :5432, because PgBouncer's buildpack refuses one without."""
    assert "postgres://u:p@h:5432/d" == Dsn.parse("postgresql://u:p@h/d").url().reveal()


def test_options_are_encoded_as_libpq_decodes_them() -> None:
    """A space in an option is %20: libpq does not read + as a space."""
    dsn = Dsn(host="h", user="u", database="d").with_options(options="-c x=1")
    assert dsn.url().reveal().endswith("?options=-c%20x%3D1")
    assert dsn == Dsn.parse(dsn.url().reveal())
