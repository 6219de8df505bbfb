"""More than 5 GB that would make a detour are advised about; what could not be told is said as that."""

import pytest

from pgcutover.facts.ec2 import Whereabouts
from pgcutover.planning.distance import MOVES_MUCH_BYTES, about_distance, region_of

MUCH = MOVES_MUCH_BYTES + 1


@pytest.mark.parametrize(
    ("data_bytes", "here"),
    [
        (MUCH, Whereabouts(region="us-east-1")),
        (MOVES_MUCH_BYTES, Whereabouts()),
        (0, Whereabouts(unknown="nobody asked")),
    ],
)
def test_nothing_is_said_in_the_region_or_of_little_data(data_bytes: int, here: Whereabouts) -> None:
    """The limit itself is little."""
    assert about_distance(data_bytes=data_bytes, region="us-east-1", here=here) is None


@pytest.mark.parametrize(
    ("here", "said"),
    [
        (Whereabouts(), "42 GB would pass through this machine, which is not on EC2"),
        (Whereabouts(region="eu-west-1"), "which is on EC2 in eu-west-1, and the target is in us-east-1"),
        (Whereabouts(unknown="it is off"), "could not tell whether this machine is on EC2 in us-east-1 (it is off)"),
    ],
)
def test_a_detour_is_said_with_what_to_do(here: Whereabouts, said: str) -> None:
    """How much, where it is, and which command makes a machine."""
    advice = about_distance(data_bytes=42 * 10**9, region="us-east-1", here=here)
    assert advice is not None
    assert said in advice.what
    assert "pgcutover host up" in advice.hint


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("acme.abc123.us-east-1.rds.amazonaws.com", "us-east-1"),
        ("acme.cluster-abc.ap-southeast-2.rds.amazonaws.com", "ap-southeast-2"),
        ("acme.abc.us-gov-west-1.rds.amazonaws.com", "us-gov-west-1"),
        ("acme.abc.cn-north-1.rds.amazonaws.com.cn", "cn-north-1"),
        ("db.example.org", ""),
        ("evil.us-east-1.rds.amazonaws.com.example.org", ""),
        ("127.0.0.1", ""),
    ],
)
def test_an_endpoint_of_rds_tells_its_region(host: str, region: str) -> None:
    """No other host does."""
    assert region == region_of(host)
