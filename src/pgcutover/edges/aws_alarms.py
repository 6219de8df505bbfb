"""CloudWatch alarms: found, set, removed. One that lacks our tag is somebody else's and is never changed.

They look at averages of a minute, five in a row, as AWS recommends for RDS.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Best_Practice_Recommended_Alarms_AWS_Services.html#RDS
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pgcutover.edges.aws_calls import AwsCalls
from pgcutover.edges.aws_network import refuse_foreign
from pgcutover.facts.rds import Alarm, Tags, is_ours

NAMESPACE = "AWS/RDS"
DIMENSION = "DBInstanceIdentifier"
PERIOD_S = 60
PERIODS = 5
COMPARISONS = {True: "GreaterThanThreshold", False: "LessThanThreshold"}


class AwsAlarms:
    def __init__(self, calls: AwsCalls) -> None:
        self._calls = calls

    def found(self, names: Sequence[str]) -> tuple[Alarm, ...]:
        """Those of these alarms that are there and switched on, whoever set them; by name."""
        rows = self._rows(names)
        return tuple(_alarm(rows[name]) for name in sorted(rows) if rows[name].get("ActionsEnabled", True))

    def ensure(self, alarms: Sequence[Alarm], tags: Tags) -> None:
        """These alarms are there, as they are given; again is no error.

        Raises:
            RefusedError: a name is somebody else's; nothing was changed then.
        """
        rows = self._rows([alarm.name for alarm in alarms])
        for name, row in rows.items():
            refuse_foreign("alarm", name, self._tags(row), tags)
        for alarm in alarms:
            if alarm.name in rows and _alarm(rows[alarm.name]) == alarm and rows[alarm.name].get("ActionsEnabled"):
                continue
            self._calls.call("cloudwatch", "put_metric_alarm", **_request(alarm, tags))

    def remove(self, names: Sequence[str], tags: Tags) -> None:
        """Remove those of ours; one that is absent or somebody else's is left alone."""
        ours = [name for name, row in self._rows(names).items() if is_ours(self._tags(row), tags)]
        if ours:
            self._calls.call("cloudwatch", "delete_alarms", AlarmNames=sorted(ours))

    def _rows(self, names: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """By name. At most 100 names, which is far more than a move has."""
        if not names:
            return {}
        reply = self._calls.call("cloudwatch", "describe_alarms", AlarmNames=list(names), MaxRecords=100)
        return {row["AlarmName"]: row for row in reply.get("MetricAlarms", [])}

    def _tags(self, row: Mapping[str, Any]) -> Mapping[str, str]:
        reply = self._calls.call("cloudwatch", "list_tags_for_resource", ResourceARN=row["AlarmArn"])
        return {tag["Key"]: tag["Value"] for tag in reply.get("Tags", [])}


def _request(alarm: Alarm, tags: Tags) -> dict[str, Any]:
    actions = [alarm.topic] if alarm.topic else []
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.why,
        "ActionsEnabled": True,
        "AlarmActions": actions,
        "OKActions": actions,
        "MetricName": alarm.metric,
        "Namespace": NAMESPACE,
        "Statistic": "Average",
        "Dimensions": [{"Name": DIMENSION, "Value": alarm.instance}],
        "Period": PERIOD_S,
        "EvaluationPeriods": PERIODS,
        "DatapointsToAlarm": PERIODS,
        "Threshold": alarm.threshold,
        "ComparisonOperator": COMPARISONS[alarm.above],
        "TreatMissingData": "missing",
        "Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())],
    }


def _alarm(row: Mapping[str, Any]) -> Alarm:
    dimensions = {d["Name"]: d["Value"] for d in row.get("Dimensions", [])}
    return Alarm(
        name=row["AlarmName"],
        instance=dimensions.get(DIMENSION, ""),
        metric=row.get("MetricName", ""),
        above=row.get("ComparisonOperator") == COMPARISONS[True],
        threshold=float(row.get("Threshold", 0)),
        why=row.get("AlarmDescription", ""),
        topic=next(iter(row.get("AlarmActions", [])), ""),
    )
