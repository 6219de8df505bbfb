"""One moment read through one session, where a server lets nobody export a snapshot."""

from collections.abc import Iterator

import pytest

from fenced_database import Fenced, fenced_database
from pgcutover.edges.moment import at_one_moment
from pgcutover.errors import TargetError
from pgcutover.lab.clusters import Cluster

REFUSE = "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_export_snapshot() FROM PUBLIC"
ROWS = "SELECT count(*) FROM pg_catalog.pg_class WHERE relname = 'later'"


@pytest.fixture
def new(cluster18: Cluster) -> Iterator[Fenced]:
    with fenced_database(cluster18, filled=False) as found:
        yield found


@pytest.mark.parametrize("refuse", ["", REFUSE])
def test_what_fails_in_one_session_does_not_end_the_moment(new: Fenced, refuse: str) -> None:
    """The next session reads, and of the same moment, also where both are the only one there is."""
    if refuse:
        new.run(refuse)
    with at_one_moment(new.target) as moment:
        assert bool(refuse) == ("permission denied" in moment.refused)
        new.run("CREATE TABLE public.later ()")
        with pytest.raises(TargetError, match="division by zero"), moment.session() as session:
            session.execute("SELECT 1 / 0")
        with moment.session() as session:
            assert (0,) == session.execute(ROWS).fetchone()
    assert 1 == new.one(ROWS)
