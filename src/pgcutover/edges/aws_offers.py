"""What RDS offers in a Region and what the account may still have: read only."""

from collections.abc import Sequence

from pgcutover.edges.aws_calls import AwsCalls
from pgcutover.errors import QuotaError
from pgcutover.facts.rds import ClassFacts, EngineVersion, Quota

MEBIBYTES_IN_GIB = 1024
NEEDED = {"DBSubnetGroups": 1, "ManualSnapshots": 1}
"""What one move adds, by RDS's names of its quotas, beside its instances, their groups and their storage."""


class AwsOffers:
    def __init__(self, calls: AwsCalls) -> None:
        self._calls = calls

    def versions(self) -> tuple[EngineVersion, ...]:
        """PostgreSQL versions that RDS makes new instances of."""
        rows = self._calls.pages("rds", "describe_db_engine_versions", "DBEngineVersions", Engine="postgres")
        return tuple(
            EngineVersion(version=row["EngineVersion"], family=row["DBParameterGroupFamily"])
            for row in rows
            if row.get("Status", "available") == "available"
        )

    def orderable(self, version: str, classes: Sequence[str]) -> tuple[str, ...]:
        """Those of the classes that RDS offers with gp3 for this version, in the given order."""
        return tuple(name for name in classes if self._offered(version, name))

    def describe_class(self, name: str) -> ClassFacts | None:
        """The hardware of a class, from EC2's type of the same name."""
        reply = self._calls.call(
            "ec2",
            "describe_instance_types",
            tolerated={"InvalidInstanceType", "InvalidParameterValue"},
            InstanceTypes=[name.removeprefix("db.")],
        )
        rows = reply.get("InstanceTypes", [])
        if not rows:
            return None
        disk = rows[0].get("EbsInfo", {}).get("EbsOptimizedInfo", {})
        return ClassFacts(
            name=name,
            vcpus=int(rows[0]["VCpuInfo"]["DefaultVCpus"]),
            memory_gib=int(rows[0]["MemoryInfo"]["SizeInMiB"]) / MEBIBYTES_IN_GIB,
            disk_mb_per_s=float(disk.get("BaselineThroughputInMBps", 0)),
            disk_iops=int(disk.get("BaselineIops", 0)),
        )

    def quotas(self) -> tuple[Quota, ...]:
        rows = self._calls.call("rds", "describe_account_attributes").get("AccountQuotas", [])
        return tuple(Quota(name=row["AccountQuotaName"], used=int(row["Used"]), limit=int(row["Max"])) for row in rows)

    def refuse_full(self, storage_gb: int, *, replica: bool) -> None:
        """Raises:
        QuotaError: the account has no room for another instance of this size, and a replica as large; names every
            limit that is reached.
        """
        instances = 2 if replica else 1
        needed = {
            **NEEDED,
            "DBInstances": instances,
            "DBParameterGroups": instances,
            "AllocatedStorage": storage_gb * instances,
        }
        full = [q for q in self.quotas() if q.name in needed and q.used + needed[q.name] > q.limit]
        if full:
            said = ", ".join(f"{q.name} {q.used} of {q.limit}" for q in full)
            raise QuotaError(
                f"this AWS account has no room for another database: {said}",
                hint="Remove what is not needed, or ask for more under Service Quotas in the AWS console.",
            )

    def _offered(self, version: str, name: str) -> bool:
        rows = self._calls.pages(
            "rds",
            "describe_orderable_db_instance_options",
            "OrderableDBInstanceOptions",
            Engine="postgres",
            EngineVersion=version,
            DBInstanceClass=name,
            Vpc=True,
        )
        return any(row.get("StorageType") == "gp3" for row in rows)
