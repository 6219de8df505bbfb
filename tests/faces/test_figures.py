"""Numbers as people read them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pgcutover.faces import figures


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "-"),
        (0.04, "0.0 s"),
        (12.34, "12.3 s"),
        (59.97, "1 min 00 s"),
        (245, "4 min 05 s"),
        (3599.7, "1 h 00 min"),
        (8000, "2 h 13 min"),
    ],
)
def test_durations(seconds: float | None, said: str) -> None:
    """A duration never shows sixty of a unit, and what is not known is not zero."""
    assert said == figures.duration(seconds)


@pytest.mark.parametrize(
    ("number", "said"),
    [(None, "-"), (0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (999_960, "1.0 MB"), (41_200_000_000, "41.2 GB")],
)
def test_sizes(number: int | None, said: str) -> None:
    """Sizes count by thousands and keep one digit behind the point."""
    assert said == figures.size(number)


def test_rates_of_no_time_are_not_known() -> None:
    """Bytes over no time are no rate."""
    assert ["-", "-", "2.0 MB/s"] == [figures.rate(5, None), figures.rate(5, 0.0), figures.rate(20e6, 10.0)]


def test_moments_are_utc() -> None:
    """A moment of another time zone is shown in UTC."""
    at = datetime(2026, 11, 22, 4, 30, tzinfo=timezone(timedelta(hours=2)))
    assert "2026-11-22 02:30:00 UTC" == figures.moment(at)
    assert "02:30:00" == figures.clock(at)
    assert "-" == figures.moment(None)
    assert "2026-11-22 02:30:00 UTC" == figures.moment(at.astimezone(UTC))


def test_counted_words() -> None:
    """One is singular; everything else is plural, zero included."""
    assert ["1 table", "0 tables", "1,200 tables", "2 indexes"] == [
        figures.counted(1, "table"),
        figures.counted(0, "table"),
        figures.counted(1200, "table"),
        figures.counted(2, "index", "indexes"),
    ]


def test_server_versions() -> None:
    """A server's number is shown as people say it."""
    assert "16.14" == figures.server_version(160014)
