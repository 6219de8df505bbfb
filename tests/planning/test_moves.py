"""After the moves no config var of an app names the old database, except the kept attachment's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgcutover.errors import RefusedError
from pgcutover.facts.estate import Attachment
from pgcutover.facts.names import Dsn, Secret
from pgcutover.planning.moves import LEGACY, kept_attachments, place_of, refuse_poolers, variable_moves

OLD = "postgres://u:p@old.example:5432/d1"
ADDONS = {"postgresql-old-1": (Dsn.parse(OLD),)}


def attachment(
    name: str, addon: str = "postgresql-old-1", app: str = "acme", namespace: str | None = None
) -> Attachment:
    return Attachment(
        id=f"id-{name}", name=name, app=app, addon=addon, addon_id="x", billing_app="acme", namespace=namespace
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
    moves = variable_moves(attachments, {k: Secret(v) for k, v in config.items()}, ADDONS)
    assert [
        ("COPIED", None),
        ("DATABASE_CONNECTION_POOL_URL", "DATABASE_CONNECTION_POOL"),
        ("DATABASE_URL", "DATABASE"),
    ] == [(m.variable, m.attachment) for m in moves]


@given(
    st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), st.sampled_from([OLD, "x", "postgres://a:b@c:1/d"]))
)
def test_nothing_that_names_the_old_database_is_left_behind(plain: dict[str, str]) -> None:
    """Whatever plain config vars there are, every one that names the old database moves."""
    moves = {m.variable for m in variable_moves([], {k: Secret(v) for k, v in plain.items()}, ADDONS)}
    assert {k for k, v in plain.items() if v == OLD} == moves


def test_every_database_attached_to_its_billing_app_is_kept_under_a_name_of_its_own() -> None:
    """Leader and follower each get a second attachment with a legal config key."""
    attachments = [attachment("DATABASE"), attachment("FOLLOWER", addon="postgresql-old-2")]
    kept = kept_attachments(attachments, ["postgresql-old-1", "postgresql-old-2"])
    assert [("postgresql-old-1", LEGACY), ("postgresql-old-2", f"{LEGACY}_2")] == [(k.addon, k.name) for k in kept]


def test_a_taken_name_is_refused_with_the_command_that_frees_it() -> None:
    """When another add-on holds our attachment name, the plan is refused before anything is touched."""
    attachments = [attachment("DATABASE"), attachment(LEGACY, addon="postgresql-other-9")]
    with pytest.raises(RefusedError) as caught:
        kept_attachments(attachments, ["postgresql-old-1"])
    assert f"heroku addons:detach {LEGACY} -a acme" in caught.value.hint


def test_what_is_no_url_is_no_place() -> None:
    """A value that only looks like a URL names no database."""
    assert (None, None) == (place_of(Secret("postgres://")), place_of(Secret("hello")))


@pytest.mark.parametrize(
    ("command", "sslmode"),
    [("bin/use-pgbouncer rails s", "none"), ("bin/start-pgbouncer rails s", "require")],
)
def test_a_pooler_that_would_not_boot_is_refused_at_plan_time(command: str, sslmode: str) -> None:
    """PgBouncer's buildpack breaks on a query string, and Heroku's own pooler is not there on RDS."""
    with pytest.raises(RefusedError, match="acme starts through"):
        refuse_poolers("acme", ["true", command], sslmode=sslmode)


def test_a_pooler_that_boots_is_fine() -> None:
    """start-pgbouncer without a query string works, and so does no pooler."""
    refuse_poolers("acme", ["bin/start-pgbouncer rails s"], sslmode="none")
    refuse_poolers("acme", ["rails s"], sslmode="require")
