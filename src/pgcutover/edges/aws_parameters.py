"""Parameter groups: what a family or group holds, and changes to a group's own values.

A default group is never changed (RDS would refuse), nor is a group that the caller did not name.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pgcutover.edges.aws_calls import AwsCalls
from pgcutover.edges.aws_network import refuse_foreign, tags_of
from pgcutover.facts.rds import Parameter, Tags, Value, is_ours

MOST_PER_CALL = 20
"""https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBParameterGroup.html"""
PAGE_ROWS = 100
T = TypeVar("T")


class AwsParameters:
    def __init__(self, calls: AwsCalls) -> None:
        self._calls = calls

    def of_family(self, family: str) -> tuple[Parameter, ...]:
        """Every parameter of a family, with RDS's own defaults."""
        marker: dict[str, str] = {}
        rows: list[dict[str, Any]] = []
        while True:
            # This call nests its page in an object of its own, marker included.
            page = self._calls.call(
                "rds",
                "describe_engine_default_parameters",
                DBParameterGroupFamily=family,
                MaxRecords=PAGE_ROWS,
                **marker,
            )["EngineDefaults"]
            rows += page.get("Parameters", [])
            if not page.get("Marker"):
                return tuple(_parameter(row) for row in rows)
            marker = {"Marker": page["Marker"]}

    def of_group(self, name: str) -> tuple[Parameter, ...]:
        """Every parameter of a group, whoever set it."""
        return tuple(_parameter(row) for row in self._rows(name))

    def own_values(self, name: str) -> Mapping[str, str]:
        """What somebody set in a group; everything else is RDS's or the engine's default."""
        return {row["ParameterName"]: row.get("ParameterValue", "") for row in self._rows(name, Source="user")}

    def group_tags(self, name: str) -> tuple[tuple[str, str], ...] | None:
        """The tags of a group; None when there is none of that name."""
        reply = self._calls.call(
            "rds", "describe_db_parameter_groups", tolerated={"DBParameterGroupNotFound"}, DBParameterGroupName=name
        )
        rows = reply.get("DBParameterGroups", [])
        return tags_of(self._calls, rows[0]["DBParameterGroupArn"]) if rows else None

    def ensure_group(self, name: str, family: str, values: Sequence[Value], tags: Tags) -> None:
        """There is a group of ours with these values among its own.

        Raises:
            RefusedError: the name is somebody else's.
        """
        found = self.group_tags(name)
        if found is None:
            with self._calls.timed(f"parameter group {name}"):
                self._calls.call(
                    "rds",
                    "create_db_parameter_group",
                    tolerated={"DBParameterGroupAlreadyExists"},
                    DBParameterGroupName=name,
                    DBParameterGroupFamily=family,
                    Description="made by pgcutover for the database of a Heroku application",
                    Tags=[{"Key": key, "Value": value} for key, value in sorted(tags.items())],
                )
            found = self.group_tags(name) or ()
        refuse_foreign("parameter group", name, dict(found), tags)
        held = self.own_values(name)
        self.set_values(name, [(key, value) for key, value in values if held.get(key) != value])

    def set_values(self, name: str, values: Sequence[Value]) -> None:
        """Set these; dynamic ones count within seconds, static ones after the next reboot."""
        dynamic = self._dynamic(name) if values else {}
        for some in _chunks(values):
            rows = [
                {"ParameterName": key, "ParameterValue": value, "ApplyMethod": _method(dynamic, key)}
                for key, value in some
            ]
            self._calls.call("rds", "modify_db_parameter_group", DBParameterGroupName=name, Parameters=rows)

    def reset_values(self, name: str, names: Sequence[str]) -> None:
        """Give these back to RDS's or the engine's default."""
        dynamic = self._dynamic(name) if names else {}
        for some in _chunks(names):
            rows = [{"ParameterName": key, "ApplyMethod": _method(dynamic, key)} for key in some]
            self._calls.call(
                "rds",
                "reset_db_parameter_group",
                DBParameterGroupName=name,
                ResetAllParameters=False,
                Parameters=rows,
            )

    def remove_group(self, name: str, tags: Tags) -> None:
        """Remove a group of ours; one that is absent or somebody else's is left alone."""
        found = self.group_tags(name)
        if found is not None and is_ours(dict(found), tags):
            self._calls.call(
                "rds",
                "delete_db_parameter_group",
                tolerated={"DBParameterGroupNotFound"},
                DBParameterGroupName=name,
            )

    def _dynamic(self, name: str) -> Mapping[str, bool]:
        return {parameter.name: parameter.dynamic for parameter in self.of_group(name)}

    def _rows(self, name: str, **wanted: str) -> Iterator[dict[str, Any]]:
        return self._calls.pages(
            "rds",
            "describe_db_parameters",
            "Parameters",
            DBParameterGroupName=name,
            MaxRecords=PAGE_ROWS,
            **wanted,
        )


def _parameter(row: Mapping[str, Any]) -> Parameter:
    return Parameter(
        name=row["ParameterName"],
        value=row.get("ParameterValue"),
        source=row.get("Source", ""),
        dynamic=row.get("ApplyType") == "dynamic",
        modifiable=bool(row.get("IsModifiable")),
        data_type=row.get("DataType", ""),
        allowed=row.get("AllowedValues", ""),
    )


def _method(dynamic: Mapping[str, bool], name: str) -> str:
    """RDS refuses `immediate` for static parameters."""
    return "immediate" if dynamic.get(name) else "pending-reboot"


def _chunks(values: Iterable[T]) -> Iterator[list[T]]:
    rest = list(values)
    while rest:
        yield rest[:MOST_PER_CALL]
        rest = rest[MOST_PER_CALL:]
