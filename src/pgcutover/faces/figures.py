"""Numbers as people read them: times, sizes, counts, moments. Pure; no colour, no layout.

Every face writes numbers through these functions, so that the terminal, the log and the report say the same.
"""

from datetime import UTC, datetime

NONE = "-"
"""For what is not known: never 0, which would be a claim."""
_UNITS = ("B", "kB", "MB", "GB", "TB")


def duration(seconds: float | None) -> str:
    """12.3 s, 4 min 05 s, 2 h 13 min."""
    if seconds is None:
        return NONE
    # Compared after rounding, or 59.97 would print as 60.0 s.
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min"


def size(number_bytes: float | None) -> str:
    """Powers of 1000, as disks and AWS count: 512 B, 1.5 kB, 41.2 GB."""
    if number_bytes is None:
        return NONE
    value, unit = float(number_bytes), _UNITS[0]
    for unit in _UNITS:
        if value < 999.95 or unit == _UNITS[-1]:
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def count(number: int | None) -> str:
    """Thousands parted by commas."""
    return NONE if number is None else f"{number:,}"


def counted(number: int, one: str, many: str = "") -> str:
    """1 table, 2 tables."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def rate(number_bytes: float, seconds: float | None) -> str:
    """Bytes a second; nothing is said of a time too short to divide by."""
    if seconds is None or seconds <= 0:
        return NONE
    return f"{size(number_bytes / seconds)}/s"


def moment(at: datetime | None) -> str:
    """A moment in UTC, to the second."""
    return NONE if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock(at: datetime | None) -> str:
    """Only the time of day, UTC."""
    return NONE if at is None else f"{at.astimezone(UTC):%H:%M:%S}"


def money(usd_per_month: float | None) -> str:
    return NONE if usd_per_month is None else f"${usd_per_month:,.0f} a month"


def server_version(number: int) -> str:
    """160014 as 16.14."""
    return f"{number // 10000}.{number % 10000}"


def listed(words: tuple[str, ...] | list[str], none: str = "none") -> str:
    return ", ".join(words) or none
