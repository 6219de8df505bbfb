"""What a drill says at its end, and what a production plan says of a drill elsewhere."""

from datetime import UTC, datetime
from typing import Any

import story
from test_render import in_one_line, printed

from pgcutover.app.drill import Drilled
from pgcutover.faces import render
from pgcutover.faces.documents import plan_markdown
from pgcutover.planning.likeness import Difference, PastDrill
from pgcutover.steps.history import Outage, Salvaged

AT = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
DIFFERENCE = Difference(
    where="acme-api", what="PgBouncer's buildpack: heroku/pgbouncer; acme-staging: none", why="it boots"
)


def drilled(**changes: Any) -> Drilled:
    facts = {
        "environment": "staging",
        "run": "staging-1",
        "plan_digest": "d" * 64,
        "at": AT,
        "green": True,
        "differences": (),
        "kept": ("instance acme-staging",),
        "salvaged": (Salvaged(table="public.orders", inserted=3, updated=1, deleted=0),),
        "salvage_directory": ".pgcutover/staging/runs/staging-1/salvage",
        "salvage_doubts": (),
        "outage": Outage(database_s=60.0, users_s=90.0, back_database_s=4.0, back_users_s=8.0),
        "next": ("pgcutover plan --env staging",),
    }
    return Drilled.model_validate({**facts, **changes})


def test_a_green_drill_says_what_is_as_before_and_what_is_kept() -> None:
    """Both outages, what stays on AWS, and the rows that the application wrote there."""
    shown = in_one_line(printed(render.drilled(drilled())))
    assert "Drill of staging: green" in shown
    assert "1 min 30 s on the way there, 8.0 s on the way back" in shown
    assert "instance acme-staging" in shown
    assert "public.orders 3 1 0" in shown
    assert 0 == drilled().exit_code


def test_a_drill_that_is_not_green_names_each_difference() -> None:
    """A program sees it in the exit code."""
    done = drilled(green=False, differences=("heroku acme-api config SOMEBODY: absent -> 12ab",))
    shown = in_one_line(printed(render.drilled(done)))
    assert "NOT green" in shown
    assert "SOMEBODY: absent -> 12ab" in shown
    assert 90 == done.exit_code


def test_a_plan_says_what_a_drill_did_not_show() -> None:
    """On the terminal and in Markdown, under a heading that names the drill, with the reason."""
    drill = PastDrill(environment="staging", drilled_at=AT, plan_digest="d" * 64, green=True, differences=(DIFFERENCE,))
    plan = story.plan().model_copy(update={"drills": (drill,)})
    for shown in (printed(render.plan_table(plan, story.ESTIMATES)), plan_markdown(plan, story.ESTIMATES)):
        text = in_one_line(shown)
        assert "What the drill of staging did not show" in text
        assert "acme-api: PgBouncer's buildpack: heroku/pgbouncer; acme-staging: none. It boots." in text
