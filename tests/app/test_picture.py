"""Two pictures of the worlds: what differs is named, and what was made on purpose is no difference."""

from typing import Any

from pgcutover.app.picture import HEROKU, MADE, SOURCE, THEIRS, changed, without_kept
from pgcutover.planning.moves import KeptAttachment


def worlds(**changes: Any) -> dict[str, Any]:
    found = {
        HEROKU: {"acme": {"maintenance": False, "config": {"KEY": "12ab"}, "buildpacks": "heroku/python"}},
        SOURCE: {"settings": {}},
        THEIRS: {},
        MADE: {},
    }
    return {**found, **changes}


def test_what_was_made_meanwhile_is_no_difference() -> None:
    """A drill leaves an instance behind on purpose."""
    assert () == changed(worlds(), worlds(**{MADE: {"instance acme": "there"}}))


def test_what_was_made_before_and_is_gone_is_a_difference() -> None:
    """Of an earlier drill, or of somebody who was ahead."""
    before = worlds(**{MADE: {"instance acme": "there", "secret acme": "there"}})
    assert ("made on aws secret acme: there -> absent",) == changed(
        before, worlds(**{MADE: {"instance acme": "there"}})
    )


def test_a_difference_says_where_it_is() -> None:
    """World, app, kind and name, with both values; a config var's as digests."""
    after = worlds(**{HEROKU: {"acme": {"maintenance": True, "config": {}, "buildpacks": "heroku/python"}}})
    assert ("heroku acme config KEY: 12ab -> absent", "heroku acme maintenance: False -> True") == changed(
        worlds(), after
    )


def test_somebody_elses_instance_must_be_as_it_was() -> None:
    """An instance that was named in pgcutover.toml is not ours to change."""
    before, after = ({THEIRS: {"instance acme": {"backups": days}}} for days in ("7 days", "1 days"))
    assert ("aws instance acme backups: 7 days -> 1 days",) == changed(worlds(**before), worlds(**after))


def test_a_picture_taken_before_the_fence_is_of_that_day_but_holds_nothing_that_preparing_made() -> None:
    """What was scaled and rotated since stays so when going back; a second attachment of ours does not."""
    first = {"acme": {"formation": {"web": 1}, "attachments": {"DATABASE": "x"}, "config": {"COPY": "1"}}}
    made = {"attachments": {"DATABASE": "x", "LEGACY": "x"}, "config": {"COPY": "2", "LEGACY_URL": "3"}}
    kept = [KeptAttachment(app="acme", addon="x", name="LEGACY")]
    wanted = {"formation": {"web": 2}, "attachments": {"DATABASE": "x"}, "config": {"COPY": "2"}}
    now = {"acme": {"formation": {"web": 2}, **made}}
    assert {"acme": wanted} == without_kept(now, first, kept)
    assert now == without_kept(now, now, kept)
