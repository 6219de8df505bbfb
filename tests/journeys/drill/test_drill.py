"""A drill: there and back in one command, whatever stops it, and both worlds as before or every difference named."""

from typing import Any

from lab_driver import APP, CONFIG, Lab

REFUSED, NOT_AS_BEFORE = 67, 90
PRODUCTION = "production = false", "production = true"
PGBOUNCER = "heroku/pgbouncer"


def test_a_drill_of_production_is_refused(lab: Lab) -> None:
    """An environment that says it is production is never drilled: nothing is opened, nothing touched."""
    lab.edit({PRODUCTION[0]: PRODUCTION[1]})
    before, plans = lab.world(), set((lab.state / "plans").glob("*"))
    said = lab.run("drill", "--yes", code=REFUSED).stderr
    assert "is production" in said
    assert "pgcutover migrate" in said
    assert (before, plans) == (lab.world(), set((lab.state / "plans").glob("*")))


def test_a_drill_that_was_killed_goes_on_and_ends_as_before(lab: Lab) -> None:
    """Killed on the way there and on the way back, the same command ends the drill: both worlds are as before, what
    the application wrote on RDS is counted, and a production plan then names what the drill did not show."""
    before = lab.world()
    killed_amid(lab, "copy")
    assert "pgcutover drill" in lab.json("status")["next"][0]
    killed_amid(lab, "switch", undoing=True)
    drilled = lab.json("drill", "--yes")
    assert (True, []) == (drilled["green"], drilled["differences"])
    assert before == lab.world()
    assert f"instance {APP}" in drilled["kept"]
    assert [APP] == [each["name"] for each in lab.rds("instances")]
    assert drilled["outage"]["back_users_s"] > 0
    found = lab.check()
    assert ("heroku", False) == (found["apps"][APP]["database"], found["apps"][APP]["maintenance"])
    # What it wrote there is in the export and in no database of ours any more: nothing else may be lost.
    assert sum(each["inserted"] + each["updated"] + each["deleted"] for each in drilled["salvaged"]) >= len(lab.lost())
    assert "returned" == lab.json("status")["outcome"]
    named_in_a_production_plan(lab, drilled)


def killed_amid(lab: Lab, step: str, *, undoing: bool = False) -> None:
    """Power cut while the step is done, or undone."""
    with lab.running("drill", "--yes") as run:
        assert run.until(rf"(?m)^\S+ undoing {step}") if undoing else run.begun(step) is None, run.errors
        run.kill()


def named_in_a_production_plan(lab: Lab, drilled: dict[str, Any]) -> None:
    """Another environment of the same file, which is production, with PgBouncer's buildpack since."""
    lab.run("destroy", "--target", APP, "--yes")
    text = (lab.home / CONFIG).read_text()
    live = text[text.index("[environments.production]") :].replace("environments.production", "environments.live")
    (lab.home / CONFIG).write_text(f"{text}\n{live.replace(*PRODUCTION)}")
    packs = [each["buildpack"]["name"] for each in lab.heroku("GET", f"/apps/{APP}/buildpack-installations")]
    lab.heroku("PUT", f"/_lab/apps/{APP}/buildpacks", {"buildpacks": [PGBOUNCER, *packs]})
    plan = lab.json("plan", "--env", "live")["plan"]
    (drill,) = plan["drills"]
    assert ("production", True, drilled["plan_digest"]) == (drill["environment"], drill["green"], drill["plan_digest"])
    (difference,) = drill["differences"]
    assert (APP, True) == (difference["where"], PGBOUNCER in difference["what"])
    assert [] == [advice for advice in plan["advice"] if "no drill" in advice["what"]]
    lab.heroku("PUT", f"/_lab/apps/{APP}/buildpacks", {"buildpacks": packs})


def test_what_somebody_changed_amid_a_drill_is_named(lab: Lab) -> None:
    """A config var set and a privilege granted while the application was on RDS: the drill ends, is not green, and
    names both; the next drill of it begins anew."""
    with lab.running("drill", "--yes") as run:
        assert run.until(r"(?m)^\S+ undoing ")
        lab.config_var(SOMEBODY="set this")
        with lab.source() as session:
            session.execute(f"ALTER DATABASE {lab.database} SET work_mem = '5MB'")
        said = run.ended(code=NOT_AS_BEFORE)
    assert "NOT green" in said.stdout
    assert "SOMEBODY: absent ->" in said.stdout
    assert f"work_mem of every role in {lab.database}: absent ->" in said.stdout
    lab.config_var(SOMEBODY=None)
    with lab.source() as session:
        session.execute(f"ALTER DATABASE {lab.database} RESET work_mem")
    assert "drill" not in lab.json("status")["next"][0]
