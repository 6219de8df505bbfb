"""What DescribeEvents tells: one record for each thing that happened to an instance, a snapshot or a group.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.Messages.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.rds.exceptions import InvalidParameterCombination

DEFAULT_MINUTES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Field names are the API's in snake case; moto's serializer reads them by name."""

    source_identifier: str
    source_type: str
    message: str
    event_categories: tuple[str, ...]
    date: datetime
    source_arn: str


def happened(source: Any, message: str, *categories: str) -> Event:
    """An event of now, about one of moto's records."""
    return Event(
        source_identifier=source.resource_id,
        source_type=source.event_source_type,
        message=message,
        event_categories=categories,
        date=datetime.now(UTC),
        source_arn=source.arn,
    )


def chosen(events: Iterable[Event], request: Mapping[str, Any]) -> list[Event]:
    """Those that a DescribeEvents request asks for, oldest first."""
    identifier, kind = request.get("SourceIdentifier"), request.get("SourceType")
    if identifier is not None and kind is None:
        raise InvalidParameterCombination("Cannot specify source identifier without source type")
    categories = set(request.get("EventCategories") or ())
    now = datetime.now(UTC)
    start = _aware(request.get("StartTime")) or now - timedelta(minutes=int(request.get("Duration") or DEFAULT_MINUTES))
    end = _aware(request.get("EndTime")) or now
    return [
        event
        for event in events
        if identifier in (None, event.source_identifier)
        and kind in (None, event.source_type)
        and (not categories or categories.intersection(event.event_categories))
        and start <= event.date <= end
    ]


def _aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
