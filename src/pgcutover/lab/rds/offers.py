"""What the lab's RDS has on offer: engine versions, orderable classes, certificates, account limits. Only answers."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.rds.exceptions import InvalidParameterValue

from pgcutover.lab.rds.catalogue import FAMILIES
from pgcutover.lab.rds.classes import CLASSES
from pgcutover.lab.rds.instances import DEFAULT_CA
from pgcutover.lab.rds.rules import ENGINE, LARGEST_GIB
from pgcutover.lab.rds.versions import NEWEST, full_version

if TYPE_CHECKING:
    from pgcutover.lab.rds.backend import Backend

AUTHORITIES = (DEFAULT_CA, "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1")
"""https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html#UsingWithRDS.SSL.CertificateIdentifiers"""
VALID_TILL = datetime(2061, 5, 21, tzinfo=UTC)
BURSTABLE_LARGEST_GIB = {"db.t4g.micro": 6144, "db.t4g.small": 16384, "db.t4g.medium": 32768}
STORAGE: Mapping[str, Mapping[str, Any]] = {
    "gp3": {
        "MinStorageSize": 20,
        "SupportsStorageThroughput": True,
        "SupportsIops": True,
        "MinIopsPerDbInstance": 12_000,
        "MaxIopsPerDbInstance": 64_000,
        "MinStorageThroughputPerDbInstance": 500,
        "MaxStorageThroughputPerDbInstance": 4_000,
    },
    "io2": {
        "MinStorageSize": 100,
        "SupportsStorageThroughput": False,
        "SupportsIops": True,
        "MinIopsPerDbInstance": 1_000,
        "MaxIopsPerDbInstance": 256_000,
    },
}


def engine_versions(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    engine, version = request.get("Engine") or ENGINE, request.get("EngineVersion")
    family = request.get("DBParameterGroupFamily")
    if engine != ENGINE:
        return
    for major, own_family in FAMILIES.items():
        number = full_version(major)
        if family not in (None, own_family) or version not in (None, number, str(major)):
            continue
        if request.get("DefaultOnly") and version is None and family is None and major != NEWEST:
            continue
        yield {
            "Engine": ENGINE,
            "EngineVersion": number,
            "MajorEngineVersion": str(major),
            "DBParameterGroupFamily": own_family,
            "DBEngineDescription": "PostgreSQL",
            "DBEngineVersionDescription": f"PostgreSQL {number}-R1",
            "ValidUpgradeTarget": [],
            "ExportableLogTypes": ["postgresql", "upgrade"],
            "SupportsLogExportsToCloudwatchLogs": True,
            "SupportsReadReplica": True,
            "SupportedFeatureNames": [],
            "SupportedEngineModes": ["provisioned"],
            "Status": "available",
            "SupportsCertificateRotationWithoutRestart": True,
            "SupportedCACertificateIdentifiers": list(AUTHORITIES),
        }


def orderable(request: Mapping[str, Any], region: str) -> Iterator[dict[str, Any]]:
    engine, wanted = request.get("Engine"), request.get("EngineVersion")
    if engine != ENGINE:
        raise InvalidParameterValue(f"Invalid DB engine: {engine}; this lab has servers for {ENGINE} only")
    for major in FAMILIES:
        version = full_version(major)
        if wanted not in (None, version, str(major)):
            continue
        for name in CLASSES:
            if request.get("DBInstanceClass") in (None, name):
                for storage, limits in STORAGE.items():
                    yield _option(name, version, storage, limits, region)


def _option(name: str, version: str, storage: str, limits: Mapping[str, Any], region: str) -> dict[str, Any]:
    return {
        "Engine": ENGINE,
        "EngineVersion": version,
        "DBInstanceClass": name,
        "LicenseModel": "postgresql-license",
        "AvailabilityZones": [{"Name": f"{region}{letter}"} for letter in "abc"],
        "MultiAZCapable": True,
        "ReadReplicaCapable": True,
        "Vpc": True,
        "SupportsStorageEncryption": True,
        "StorageType": storage,
        "SupportsEnhancedMonitoring": True,
        "SupportsIAMDatabaseAuthentication": True,
        "SupportsPerformanceInsights": name not in ("db.t4g.micro", "db.t4g.small"),
        "SupportsStorageAutoscaling": True,
        "MaxStorageSize": BURSTABLE_LARGEST_GIB.get(name, LARGEST_GIB),
        "SupportedNetworkTypes": ["IPV4"],
        **limits,
    }


def certificates(request: Mapping[str, Any], region: str) -> list[dict[str, Any]]:
    wanted = request.get("CertificateIdentifier")
    return [
        {
            "CertificateIdentifier": name,
            "CertificateType": "CA",
            "ValidTill": VALID_TILL,
            "CertificateArn": f"arn:aws:rds:{region}::cert:{name}",
            "CustomerOverride": False,
        }
        for name in AUTHORITIES
        if wanted in (None, name)
    ]


def quotas(backend: "Backend") -> list[dict[str, Any]]:
    """Only manual snapshots count, and the default parameter groups do not."""
    knobs = backend.site.knobs
    storage = sum(int(one.allocated_storage) for one in backend.databases.values())
    manual = sum(one.snapshot_type == "manual" for one in backend.database_snapshots.values())
    used_and_most = {
        "DBInstances": (len(backend.databases), knobs.instance_quota),
        "AllocatedStorage": (storage, 100_000),
        "DBParameterGroups": (len(backend.db_parameter_groups) - len(FAMILIES), knobs.parameter_group_quota),
        "ManualSnapshots": (manual, knobs.snapshot_quota),
        "DBSubnetGroups": (len(backend.subnet_groups), 50),
        "SubnetsPerDBSubnetGroup": (0, 20),
        "ReadReplicasPerMaster": (0, 15),
    }
    return [{"AccountQuotaName": n, "Used": used, "Max": most} for n, (used, most) in used_and_most.items()]
