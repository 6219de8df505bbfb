"""What a drill of one environment did not show about another is named, and nothing else."""

from collections.abc import Mapping
from typing import Any

import pytest

from pgcutover.app.likeness import settings_of
from pgcutover.facts.names import Secret
from pgcutover.planning.likeness import ASPECTS, AppFacts, EnvironmentFacts, differences, paired

COMMANDS = (("release", "aa"), ("web", "bb"), ("worker", "cc"))


def app(name: str, **changes: Any) -> AppFacts:
    facts = {
        "name": name,
        "billing": False,
        "region": "us",
        "stack": "heroku-24",
        "private_space": False,
        "buildpacks": ("heroku/ruby",),
        "commands": COMMANDS,
        "pooled": (),
        "attachments": ("the primary",),
        "copied_urls": (),
        "settings": (("PGBOUNCER_ENABLED", "0"), ("PGSSLMODE", "#aa")),
    }
    return AppFacts.model_validate({**facts, **changes})


def environment(name: str, *apps: AppFacts, **changes: Any) -> EnvironmentFacts:
    facts = {
        "environment": name,
        "apps": apps,
        "addon_plan": "standard-0",
        "followers": 1,
        "major": 16,
        "extensions": ("citext", "vector"),
        "credentials": 0,
        "target": (("region", "us-east-1"), ("class", "db.t4g.small")),
    }
    return EnvironmentFacts.model_validate({**facts, **changes})


STAGING = environment("staging", app("acme-staging", billing=True))


def test_two_environments_alike_differ_in_nothing() -> None:
    """Names of apps and of environments are no differences."""
    assert () == differences(STAGING, environment("production", app("acme-api", billing=True)))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (
            {"buildpacks": ("heroku/pgbouncer", "heroku/ruby")},
            "PgBouncer's buildpack: heroku/pgbouncer; acme-staging: none",
        ),
        ({"pooled": ("web",)}, "process types that start through PgBouncer: web; acme-staging: none"),
        ({"buildpacks": ("heroku/python",)}, "other buildpacks: heroku/python; acme-staging: heroku/ruby"),
        ({"commands": COMMANDS[:2]}, "process types: none; acme-staging: worker"),
        ({"commands": COMMANDS[1:]}, "release phase: none; acme-staging: yes"),
        ({"commands": (*COMMANDS[:2], ("worker", "dd"))}, "start commands of worker differ from those of acme-staging"),
        ({"stack": "heroku-22"}, "stack: heroku-22; acme-staging: heroku-24"),
        ({"region": "eu"}, "region: eu; acme-staging: us"),
        ({"private_space": True}, "Private Space: yes; acme-staging: none"),
        (
            {"attachments": ("the primary", "the primary through the server-side pooler")},
            "attachments: the primary through the server-side pooler; acme-staging: none",
        ),
        ({"copied_urls": ("ANALYTICS_URL",)}, "copies of the URL: ANALYTICS_URL; acme-staging: none"),
        (
            {"settings": (("PGBOUNCER_ENABLED", "1"), ("PGSSLMODE", "#aa"))},
            "variables that PgBouncer and libpq heed: PGBOUNCER_ENABLED 1; acme-staging: PGBOUNCER_ENABLED 0",
        ),
        ({"attachments": ("the primary", "the primary")}, "attachments: the primary; acme-staging: none"),
    ],
)
def test_a_difference_of_an_app_is_named_once(changes: Mapping[str, Any], named: str) -> None:
    """Each with the app of production, both sides, and why it counts."""
    (found,) = differences(STAGING, environment("production", app("acme-api", billing=True, **changes)))
    assert ("acme-api", named) == (found.where, found.what)
    assert found.why


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"major": 17}, "PostgreSQL: 17; staging: 16"),
        ({"addon_plan": "premium-4"}, "Heroku's plan: premium-4; staging: standard-0"),
        ({"followers": 2}, "followers: 2; staging: 1"),
        ({"credentials": 3}, "credentials beside the default one: 3; staging: 0"),
        ({"extensions": ("citext", "postgis", "vector")}, "extensions: postgis; staging: none"),
        (
            {"target": (("region", "eu-west-1"), ("class", "db.t4g.small"))},
            "the new database: region eu-west-1; staging: region us-east-1",
        ),
    ],
)
def test_a_difference_of_the_database_is_named_once(changes: Mapping[str, Any], named: str) -> None:
    """Old and new database alike."""
    (found,) = differences(STAGING, environment("production", app("acme-api", billing=True), **changes))
    assert ("the database", named) == (found.where, found.what)


def test_of_settings_the_values_tell_the_difference_and_no_secret() -> None:
    """Names of URLs are in the clear, of what might be a URL itself there is a digest, of a password nothing."""
    config = {
        "PGBOUNCER_ENABLED": "1",
        "PGBOUNCER_URLS": "DATABASE_URL READER_URL",
        "PGSSLMODE": "require",
        "PGBOUNCER_STATS_PASSWORD": "hunter2",
        "RACK_ENV": "production",
    }
    told = dict(settings_of({name: Secret(value) for name, value in config.items()}))
    assert {"PGBOUNCER_ENABLED": "1", "PGBOUNCER_URLS": "DATABASE_URL READER_URL"}.items() <= told.items()
    assert ("", None) == (told["PGBOUNCER_STATS_PASSWORD"], told.get("RACK_ENV"))
    assert told["PGSSLMODE"] != dict(settings_of({"PGSSLMODE": Secret("verify-full")}))["PGSSLMODE"]
    assert "hunter2" not in str(settings_of({"PGBOUNCER_URLS": Secret("postgres://u:hunter2@h/d")}))


def test_apps_are_paired_by_what_they_do() -> None:
    """The billing app with the billing app, a follower's reader with a follower's reader, whatever their names."""
    reader = {"attachments": ("a follower",)}
    drilled = (app("a"), app("b", billing=True), app("api-production-like", **reader))
    planned = (app("api", billing=True), app("reports", **reader), app("shop"))
    pairs = {(old.name if old else None, new.name if new else None) for old, new in paired(drilled, planned)}
    assert {("b", "api"), ("api-production-like", "reports"), ("a", "shop")} == pairs


def test_an_app_without_a_partner_is_a_difference() -> None:
    """On either side: one was not practised, the other showed nothing."""
    production = environment("production", app("acme-api", billing=True), app("acme-reports"))
    (missing,) = differences(STAGING, production)
    assert ("acme-reports", "nothing like it is in staging") == (missing.where, missing.what)
    (more,) = differences(production, STAGING)
    assert ("acme-reports", "of production, has nothing like it here") == (more.where, more.what)


def test_what_is_compared_has_a_name_each() -> None:
    """What a plan says cannot be known without a drill is everything that is compared, once."""
    assert len(ASPECTS) == len(set(ASPECTS)) == 2 + 11 + 6
