"""What stops a run before a step."""

from types import SimpleNamespace
from typing import Any

import pytest

from pgcutover.app.guards import Guards
from pgcutover.errors import ForeignReleaseError
from pgcutover.running.state import Direction


def foreign() -> None:
    raise ForeignReleaseError("somebody released")


def test_a_deploy_stops_a_move_until_the_lift_and_not_after_it() -> None:
    """The application is its owners' again: a replica that is still made is no reason to forbid them a deploy."""
    steps = [SimpleNamespace(name="lift", phase="switch"), SimpleNamespace(name="follow-replica", phase="after")]
    plan: Any = SimpleNamespace(steps=steps)
    world: Any = SimpleNamespace(notes=SimpleNamespace(notes=lambda _: ({},)))
    claim: Any = SimpleNamespace(still_ours=lambda: None)
    watch: Any = SimpleNamespace(check=foreign)
    guards = Guards(plan=plan, claim=claim, watch=watch, fenced_with=lambda: None)
    with pytest.raises(ForeignReleaseError):
        guards(world, "lift", Direction.FORWARD)
    guards(world, "follow-replica", Direction.FORWARD)
