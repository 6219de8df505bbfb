"""After the moves no config var of an app names the old database, except the kept attachment's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgcutover.errors import RefusedError
from pgcutover.facts.estate import Attachment
from pgcutover.facts.names import Dsn, Secret
from pgcutover.planning.moves import (
    LEGACY,
    AppMoves,
    Pooling,
    VariableMove,
    kept_attachments,
    place_of,
    refuse_unknown_logins,
    variable_moves,
)

LEADER, FOLLOWER = "postgresql-old-1", "postgresql-old-2"
OLD = "postgres://u:p@old.example:5432/d1"
READ = "postgres://u:p@follower.example:5432/d1"
ADDONS = {LEADER: (Dsn.parse(OLD),), FOLLOWER: (Dsn.parse(READ),)}


def attachment(name: str, addon: str = LEADER, app: str = "acme", namespace: str | None = None) -> Attachment:
    return Attachment(
        id=f"id-{name}", name=name, app=app, addon=addon, addon_id="x", billing_app="acme", namespace=namespace
    )


def moves_of(
    attachments: list[Attachment], config: dict[str, str], logins: tuple[str, ...] = ()
) -> tuple[VariableMove, ...]:
    return variable_moves(attachments, {k: Secret(v) for k, v in config.items()}, ADDONS, leader=LEADER, logins=logins)


def app(*variables: VariableMove, pooling: Pooling | None = None) -> AppMoves:
    return AppMoves(
        app="acme",
        variables=variables,
        process_types=("web",),
        web_types=("web",),
        has_release_phase=False,
        private_space=False,
        pooling=pooling,
    )


def test_attached_and_copied_variables_move_and_others_stay() -> None:
    """The attachment's variable, the pooler's and a copied URL (any password, any query) move; other databases stay."""
    config = {
        "DATABASE_URL": OLD,
        "DATABASE_CONNECTION_POOL_URL": "postgres://u:p@old.example:5433/d1",
        "COPIED": "postgresql://someone:else@old.example:5432/d1?sslmode=require",
        "OTHER_URL": "postgres://u:p@other.example:5432/d1",
        "REDIS_URL": "redis://old.example:5432/d1",
        f"{LEGACY}_URL": OLD,
    }
    attachments = [
        attachment("DATABASE"),
        attachment("DATABASE_CONNECTION_POOL", namespace="connection-pooling:default"),
        attachment(LEGACY),
        attachment("OTHER", addon="postgresql-other-2"),
    ]
    assert [
        ("COPIED", None),
        ("DATABASE_CONNECTION_POOL_URL", "DATABASE_CONNECTION_POOL"),
        ("DATABASE_URL", "DATABASE"),
    ] == [(m.variable, m.attachment) for m in moves_of(attachments, config)]


def test_what_named_a_follower_goes_to_the_replica() -> None:
    """Attached or copied, a follower's variable goes to the replica, the leader's and its pooler's to the primary."""
    config = {"DATABASE_URL": OLD, "READ_URL": READ, "POOL_URL": OLD, "COPIED": OLD, "COPIED_READ": READ}
    attachments = [
        attachment("DATABASE"),
        attachment("READ", addon=FOLLOWER),
        attachment("POOL", namespace="connection-pooling:default"),
    ]
    found = {m.variable: (m.role, m.addon) for m in moves_of(attachments, config)}
    primary, replica = ("primary", LEADER), ("replica", FOLLOWER)
    assert {
        "COPIED": primary,
        "COPIED_READ": replica,
        "DATABASE_URL": primary,
        "POOL_URL": primary,
        "READ_URL": replica,
    } == found


def test_a_credential_keeps_its_own_login() -> None:
    """Attached by its namespace, copied by its user; a default credential, known or rotated, is the application."""
    reader = "postgres://reporting:p@old.example:5432/d1"
    config = {"DATABASE_URL": OLD, "READER_URL": reader, "COPIED": reader, "OLDER": OLD.replace("u:p", "u0:p0")}
    attachments = [attachment("DATABASE"), attachment("READER", namespace="credential:reporting")]
    found = {m.variable: m.user for m in moves_of(attachments, config, logins=("reporting",))}
    assert {"COPIED": "reporting", "DATABASE_URL": "", "OLDER": "", "READER_URL": "reporting"} == found


def test_a_login_that_the_database_does_not_know_is_refused() -> None:
    """An attached credential to which nothing is granted would get no role on the new server."""
    move = VariableMove(variable="READER_URL", user="reporting", attachment="READER", addon=LEADER)
    refuse_unknown_logins([app(move)], ["reporting"])
    with pytest.raises(RefusedError, match="READER_URL logs in as reporting"):
        refuse_unknown_logins([app(move)], [])


@given(
    st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), st.sampled_from([OLD, "x", "postgres://a:b@c:1/d"]))
)
def test_nothing_that_names_the_old_database_is_left_behind(plain: dict[str, str]) -> None:
    """Whatever plain config vars there are, every one that names the old database moves."""
    moves = {m.variable for m in moves_of([], plain)}
    assert {k for k, v in plain.items() if v == OLD} == moves


def test_without_a_replica_everything_names_the_primary() -> None:
    """The same variables, the same logins, one server."""
    read = VariableMove(variable="READ_URL", role="replica", user="reporting")
    moves = app(VariableMove(variable="DATABASE_URL"), read)
    assert (("primary", ""), ("replica", "reporting")) == moves.logins
    assert (("primary", ""), ("primary", "reporting")) == moves.on_primary.logins
    assert (read,) == moves.of_replica.variables


def test_the_poolers_list_is_changed_with_the_urls_and_saved_only_if_it_was_set() -> None:
    """PGBOUNCER_URLS that was not set has no value to save: going back removes it."""
    move = VariableMove(variable="READ_URL")
    kept = Pooling(starter="bin/start-pgbouncer", variables=("READ_URL",), was_set=True)
    made = kept.model_copy(update={"was_set": False})
    both = ("READ_URL", "PGBOUNCER_URLS")
    assert (both, both) == (app(move, pooling=kept).changed, app(move, pooling=kept).saved)
    assert (both, ("READ_URL",)) == (app(move, pooling=made).changed, app(move, pooling=made).saved)
    assert ("READ_URL",) == app(move).changed


def test_every_database_attached_to_its_billing_app_is_kept_under_a_name_of_its_own() -> None:
    """Leader and follower each get a second attachment with a legal config key."""
    attachments = [attachment("DATABASE"), attachment("FOLLOWER", addon=FOLLOWER)]
    kept = kept_attachments(attachments, [LEADER, FOLLOWER])
    assert [(LEADER, LEGACY), (FOLLOWER, f"{LEGACY}_2")] == [(k.addon, k.name) for k in kept]


def test_a_taken_name_is_refused_with_the_command_that_frees_it() -> None:
    """When another add-on holds our attachment name, the plan is refused before anything is touched."""
    attachments = [attachment("DATABASE"), attachment(LEGACY, addon="postgresql-other-9")]
    with pytest.raises(RefusedError) as caught:
        kept_attachments(attachments, [LEADER])
    assert f"heroku addons:detach {LEGACY} -a acme" in caught.value.hint


def test_what_is_no_url_is_no_place() -> None:
    """A value that only looks like a URL names no database."""
    assert (None, None) == (place_of(Secret("postgres://")), place_of(Secret("hello")))
