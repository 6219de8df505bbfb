"""The two ends of a copy: databases of a test's own, the source on 16 and the target on 18."""

from collections.abc import Iterator

import pytest

from little_database import own_database
from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import Cluster


@pytest.fixture
def source(cluster16: Cluster) -> Iterator[Dsn]:
    with own_database(cluster16) as dsn:
        yield dsn


@pytest.fixture
def target(cluster18: Cluster) -> Iterator[Dsn]:
    with own_database(cluster18) as dsn:
        yield dsn
