"""Every known way in which PgBouncer's buildpack stumbles over a new database is impossible, or refused in time."""

import subprocess
from pathlib import Path

import pytest

from pgcutover.errors import RefusedError
from pgcutover.facts.estate import ProcessType
from pgcutover.facts.names import Secret
from pgcutover.planning.moves import AppMoves, Pooling, VariableMove
from pgcutover.planning.pgbouncer import (
    Dynos,
    SslWish,
    about_connections,
    advice,
    connections,
    fitted,
    most_connections,
    parted,
    refuse_hidden,
    told,
)

START, PACK = "bin/start-pgbouncer", "https://github.com/heroku/heroku-buildpack-pgbouncer"
OLD = "postgres://u:p@old.example:5432/d1"


def moving(*names: str, user: str = "") -> AppMoves:
    return AppMoves(
        app="acme",
        variables=tuple(
            VariableMove(variable=name, role="replica" if "READ" in name else "primary", user=user) for name in names
        ),
        process_types=("web", "worker"),
        web_types=("web",),
        has_release_phase=False,
        private_space=False,
    )


def dynos(command: str = f"{START} rails s", *, packs: tuple[str, ...] = (PACK,), **config: str) -> Dynos:
    formation = (
        ProcessType(type="web", quantity=3, size="", command=command),
        ProcessType(type="worker", quantity=2, size="", command="sidekiq"),
    )
    return Dynos(formation=formation, buildpacks=packs, config={k: Secret(v) for k, v in config.items()})


def fit(moves: AppMoves, found: Dynos, *, sslmode: SslWish = "auto") -> AppMoves:
    return fitted(moves, found, app_role="acme_app", sslmode=sslmode)


def test_an_app_without_pgbouncer_keeps_tls_in_its_url() -> None:
    """Nothing stands between it and its URL."""
    fine = fit(moving("DATABASE_URL"), dynos("rails s", packs=("heroku/ruby",), DATABASE_URL=OLD))
    assert ("require", None) == (fine.sslmode, fine.pooling)
    assert "none" == fit(moving(), dynos("rails s", packs=()), sslmode="none").sslmode


@pytest.mark.parametrize(
    ("command", "packs", "starter"),
    [
        (f"{START} rails s", (), START),
        ("bin/start-pgbouncer-stunnel rails s", (), "bin/start-pgbouncer-stunnel"),
        ("bin/boot", ("heroku/pgbouncer", "heroku/ruby"), ""),
    ],
)
def test_a_buildpack_is_found_by_command_or_name_and_gets_no_query_string(
    command: str, packs: tuple[str, ...], starter: str
) -> None:
    """`?sslmode=require` would become a part of the database's name."""
    fine = fit(moving("DATABASE_URL"), dynos(command, packs=packs, DATABASE_URL=OLD))
    assert ("none", Pooling(starter=starter, variables=("DATABASE_URL",), was_set=False)) == (
        fine.sslmode,
        fine.pooling,
    )


def test_the_buildpack_of_a_container_is_found_by_its_variable() -> None:
    """Where no buildpack is listed and a script starts it, PGBOUNCER_URLS tells."""
    fine = fit(moving("READ_URL"), dynos("boot.sh", packs=(), READ_URL=OLD, PGBOUNCER_URLS="READ_URL"))
    assert "none" == fine.sslmode


def test_pgbouncer_urls_names_only_what_will_be_there() -> None:
    """Each name once, in order, whether it moves or is another database's; DATABASE_URL where nothing is set."""
    config = {"READ_URL": OLD, "OTHER_URL": "postgres://x:y@other.example:5432/d", "PGBOUNCER_URLS": ""}
    listed = {**config, "PGBOUNCER_URLS": " READ_URL  OTHER_URL READ_URL"}
    pooling = fit(moving("READ_URL"), dynos(**listed)).pooling
    assert pooling is not None
    assert ("READ_URL OTHER_URL", True) == (pooling.urls, pooling.was_set)
    with pytest.raises(RefusedError, match="names DATABASE_URL, which is not set"):
        fit(moving("READ_URL"), dynos(**config))


def test_sslmode_cannot_be_forced_on_an_app_with_the_buildpack() -> None:
    """The person's choice would not boot."""
    with pytest.raises(RefusedError, match="part of the database's name"):
        fit(moving("DATABASE_URL"), dynos(DATABASE_URL=OLD), sslmode="require")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"PGBOUNCER_URLS": "DATABASE_URL GONE_URL"}, "names GONE_URL, which is not set: every dyno would end at boot"),
        ({"PGBOUNCER_URLS": "DATABASE_URL,READ_URL"}, "no name of a variable: every dyno would end at boot"),
        ({"PGBOUNCER_URLS": "DATABASE_URL X_URL", "X_URL": "postgres://u:p@h/d"}, "does not understand"),
        ({"PGBOUNCER_URLS": "DATABASE_URL X_URL", "X_URL": "postgres://u:p@h:1/d?a=b"}, "does not understand"),
        ({"PGBOUNCER_URLS": "X_URL", "X_URL": "redis://u:p@h:1/d"}, "does not understand"),
        ({"PGSSLMODE": "require"}, "sets PGSSLMODE to require"),
        ({"PGSSLMODE": "verify-full"}, "sets PGSSLMODE to verify-full"),
        ({"PGBOUNCER_SERVER_TLS_SSLMODE": "verify-full"}, "every connection would hang"),
        ({"PGBOUNCER_SERVER_TLS_SSLMODE": "verify-ca"}, "every connection would hang"),
        (
            {"PGBOUNCER_URLS": "DATABASE_URL X_URL", "X_URL": "postgres://acme_app:p@h:1/d"},
            "log in as acme_app with different passwords",
        ),
        (
            {"PGBOUNCER_URLS": "X_URL Y_URL", "X_URL": "postgres://a:p@h:1/d", "Y_URL": "postgres://a:q@h:1/d"},
            "X_URL, Y_URL, which log in as a with different passwords",
        ),
    ],
)
def test_what_would_not_boot_or_not_connect_is_refused(config: dict[str, str], message: str) -> None:
    """Before anything is touched, with what to change."""
    with pytest.raises(RefusedError, match=message) as caught:
        fit(moving("DATABASE_URL"), dynos(**{"DATABASE_URL": OLD, **config}))
    assert "acme" in caught.value.hint


def test_one_user_on_primary_and_replica_has_one_password() -> None:
    """A replica shares its primary's roles; so does a credential with itself."""
    listed = {"DATABASE_URL": OLD, "READ_URL": OLD, "PGBOUNCER_URLS": "DATABASE_URL READ_URL"}
    assert fit(moving("DATABASE_URL", "READ_URL"), dynos(**listed)).pooling
    assert fit(moving("DATABASE_URL", "READ_URL", user="reporting"), dynos(**listed)).pooling


def test_herokus_own_pooler_is_refused() -> None:
    """It is on the port after the database's, where RDS has nothing; whether or not the rest would be fine."""
    with pytest.raises(RefusedError, match="bin/use-pgbouncer"):
        fit(moving("DATABASE_URL"), dynos("bin/use-pgbouncer rails s", packs=(), DATABASE_URL=OLD))


def test_a_pooler_that_is_switched_off_asks_for_nothing() -> None:
    """It reads nothing then, but its URLs stay as it would need them."""
    off = dynos(PGBOUNCER_ENABLED="0", PGBOUNCER_URLS="GONE_URL", PGSSLMODE="require", DATABASE_URL=OLD)
    fine = fit(moving("DATABASE_URL"), off)
    assert ("none", None) == (fine.sslmode, fine.pooling)


@pytest.mark.parametrize("well", [True, False])
def test_a_one_off_through_the_buildpack_ends_as_its_command_did(well: bool, tmp_path: Path) -> None:
    """Its program ends with 0 whatever its command did, and ends every process of its group."""
    program = tmp_path / "bin" / "start-pgbouncer"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\ntrap "" TERM\n"$@"\nkill -TERM 0\nexit 0\n')
    program.chmod(0o755)
    command = told(f"bin/start-pgbouncer echo 'it is' $0 && {'true' if well else 'false'}")
    shell = ["bash", "-c", f"( {command} ); echo status $?"]
    done = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, check=False)
    said = done.stdout.splitlines()
    assert ("it is bash", f"status {0 if well else 1}") == (said[0], said[-1])


def test_what_is_no_business_of_the_buildpack_is_run_as_it_is() -> None:
    """Only what begins with its program is taken apart; where it is hidden, the plan is refused."""
    assert ("psql -c 'select 1'", ("", "true")) == (told("psql -c 'select 1'"), parted("true"))
    refuse_hidden("acme", {"smoke": f"{START} bin/smoke", "connect": "psql"})
    with pytest.raises(RefusedError, match="the smoke command of acme"):
        refuse_hidden("acme", {"smoke": f"cd here && {START} bin/smoke"})


def test_what_cannot_be_seen_is_said() -> None:
    """The buildpack's version; and that DATABASE_URL is the name that comes and goes."""
    found = dynos(DATABASE_URL=OLD, READ_URL=OLD)
    said = [a.what + a.hint for a in advice(fit(moving("DATABASE_URL"), found))]
    assert 2 == len(said)
    assert "version cannot be seen" in said[0]
    assert "names DATABASE_URL" in said[1]
    safer = dynos(READ_URL=OLD, PGBOUNCER_URLS="READ_URL")
    assert 1 == len(list(advice(fit(moving("READ_URL"), safer))))
    assert [] == list(advice(moving("DATABASE_URL")))


def test_connections_are_counted_for_each_server() -> None:
    """Dynos that start through it × (pool + reserve), for every listed variable; the others go past it."""
    found = dynos(
        DATABASE_URL=OLD,
        READ_URL=OLD,
        PGBOUNCER_URLS="DATABASE_URL READ_URL",
        PGBOUNCER_DEFAULT_POOL_SIZE="20",
        PGBOUNCER_RESERVE_POOL_SIZE="5",
    )
    moves = fit(moving("DATABASE_URL", "READ_URL", "PLAIN_URL"), found)
    held = connections(moves, found)
    assert {"primary": 75, "replica": 75} == held
    assert {} == connections(moving("DATABASE_URL"), found)
    (over, unknown) = about_connections(held, {"primary": 0.5})
    assert f"75 connections to the primary, which takes about {most_connections(0.5)}" in over.what
    assert "smaller" in over.hint
    assert "not known" in unknown.hint
    assert 5000 == most_connections(64)
