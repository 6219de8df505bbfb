"""What a production plan knows of drills: from the other environments' journals, never from the environments."""

from pathlib import Path

import pytest

from pgcutover.app.likeness import about_drills, held_against, past_drills
from pgcutover.config import Config, Surroundings, read_config
from pgcutover.edges.journal import SqliteJournal
from pgcutover.planning.likeness import EnvironmentFacts
from pgcutover.running.step import Json
from pgcutover.steps.history import DRILL, DRILLED

TOML = """
[environments.{name}]
production = {production}
database = "acme-{name}::DATABASE"
apps = ["acme-{name}"]
target = {{ region = "us-east-1", exposure = "public-tls" }}
"""
FACTS = EnvironmentFacts(
    environment="staging",
    apps=(),
    addon_plan="standard-0",
    followers=0,
    major=16,
    extensions=(),
    credentials=0,
    target=(),
)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Production's, with a staging environment beside it."""
    file = tmp_path / "pgcutover.toml"
    tables = [TOML.format(name=name, production=str(name == "live").lower()) for name in ("live", "staging")]
    file.write_text("version = 1\n" + "".join(tables))
    return read_config(file, "live", Surroundings.read({}))


def drilled(config: Config, *, green: bool = True, ended: bool = True, facts: Json = None) -> None:
    """As a drill of staging leaves its journal."""
    with SqliteJournal(config.state_of("staging") / "journal.db") as journal:
        run = f"staging-{len(journal.runs()) + 1}"
        journal.open_run(run, "d" * 64, {}, "me")
        journal.note(run, DRILL, {"before": {}, "facts": facts or FACTS.model_dump(mode="json")})
        journal.close_run(run, "returned")
        if ended:
            journal.note(run, DRILLED, {"green": green, "differences": []})


def test_the_newest_drill_that_ended_counts(config: Config) -> None:
    """Not one that was broken off; and one that was not green is told as that."""
    drilled(config)
    drilled(config, green=False)
    drilled(config, ended=False)
    (record,) = past_drills(config)
    assert ("staging", "d" * 64, False, FACTS) == (record.environment, record.plan_digest, record.green, record.facts)
    (drill,) = held_against([record], FACTS.model_copy(update={"major": 18}))
    assert ["PostgreSQL: 18; staging: 16"] == [difference.what for difference in drill.differences]
    assert () == about_drills(config, [record])


def test_without_a_drill_the_environment_to_drill_is_named(config: Config) -> None:
    """An environment that no drill was tried in says nothing."""
    assert () == past_drills(config)
    (advice,) = about_drills(config, ())
    assert "no drill yet" in advice.what
    assert "Run pgcutover drill --env staging." == advice.hint


@pytest.mark.parametrize("broken", ["journal", "facts"])
def test_what_cannot_be_read_is_said_and_stops_nothing(config: Config, broken: str) -> None:
    """A drill that cannot be told is no drill; the plan is made all the same."""
    drilled(config, facts={"of": "another version"} if broken == "facts" else None)
    if broken == "journal":
        (config.state_of("staging") / "journal.db").write_bytes(b"no journal")
    records = past_drills(config)
    advice = [each.what for each in about_drills(config, records)]
    assert (True, True) == ("could not check" in advice[0], "no drill yet" in advice[1])
    assert () == held_against(records, FACTS)


def test_an_environment_that_is_no_production_asks_for_no_drill(config: Config) -> None:
    """Staging itself is not held against anything."""
    staging = read_config(config.file, "staging", Surroundings.read({}))
    assert ((), ()) == (past_drills(staging), about_drills(staging, ()))
