"""What CreateDBInstance and ModifyDBInstance refuse. Pure: each function looks at a request and raises, or does not.

A request is the API's, with snake_case names (`db_instance_class`). Messages are those of the service as seen in public
logs (A14).
"""

import re
from collections.abc import Mapping
from typing import Any

from moto.rds.exceptions import InvalidParameterCombination, InvalidParameterValue, RDSClientError

from pgcutover.lab.rds.classes import CLASSES

ENGINE = "postgres"
FORBIDDEN_IN_PASSWORDS = frozenset("/'\"@ ")
PASSWORD_LENGTH = (8, 128)
RESERVED_USERS = frozenset(
    {"admin", "rdsadmin", "rds_superuser", "rds_password", "rds_replication", "rds_iam", "public"}
)
MASTER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
DATABASE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
SMALLEST_GIB = {"gp2": 20, "gp3": 20, "io1": 100, "io2": 100, "standard": 5}
LARGEST_GIB = 65536
STRIPED_FROM_GIB = 400
"""https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage"""
RETENTION_DAYS = range(36)
LONGEST_IDENTIFIER = 63
IDENTIFIER = re.compile(r"[A-Za-z](?:-?[A-Za-z0-9])*")

Request = Mapping[str, Any]


def check_identifier(identifier: str) -> None:
    if not IDENTIFIER.fullmatch(identifier) or len(identifier) > LONGEST_IDENTIFIER:
        raise InvalidParameterValue(
            "The parameter DBInstanceIdentifier is not a valid identifier. Identifiers must begin with a letter; must "
            "contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two "
            "consecutive hyphens."
        )


def check_new(request: Request) -> None:
    """Everything CreateDBInstance refuses by looking at the request alone."""
    check_identifier(request["db_instance_identifier"])
    if request.get("engine") != ENGINE:
        raise InvalidParameterValue(
            f"Invalid DB engine: {request.get('engine')}; this lab has servers for {ENGINE} only"
        )
    check_class(request["db_instance_class"], str(request.get("engine_version") or ""))
    if request.get("allocated_storage") is None:
        raise InvalidParameterValue("The parameter AllocatedStorage must be provided and must not be null.")
    check_storage(request)
    check_retention(request)
    _check_master(request)
    name = request.get("db_name")
    if name is not None and not DATABASE_NAME.fullmatch(name):
        raise InvalidParameterValue("DBName must begin with a letter and contain only alphanumeric characters.")


def check_class(name: str, version: str) -> None:
    if not name.startswith("db."):
        raise InvalidParameterValue(f"Invalid DB Instance class: {name}")
    if name not in CLASSES:
        raise InvalidParameterCombination(
            "RDS does not support creating a DB instance with the following combination: "
            f"DBInstanceClass={name}, Engine={ENGINE}, EngineVersion={version}, LicenseModel=postgresql-license. "
            "For supported combinations of instance class and database engine version, see the documentation."
        )


def check_storage(request: Request) -> None:
    """`allocated_storage`, `storage_type`, `iops`, `storage_throughput`: one request, or an instance as it would be.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html
    """
    kind, size = request.get("storage_type") or "gp2", int(request["allocated_storage"])
    if kind not in SMALLEST_GIB:
        raise InvalidParameterValue(f"Invalid storage type: {kind}")
    if not SMALLEST_GIB[kind] <= size <= LARGEST_GIB:
        raise InvalidParameterValue(f"Invalid storage size for engine name {ENGINE} and storage type {kind}: {size}")
    iops, throughput = request.get("iops"), request.get("storage_throughput")
    if kind == "gp3":
        _check_gp3(size, iops, throughput)
    elif throughput:
        raise InvalidParameterCombination(f"You can't specify storage throughput for storage type {kind}.")
    if kind in ("io1", "io2") and not iops:
        raise InvalidParameterCombination(f"You must specify IOPS for storage type {kind}.")
    longest = request.get("max_allocated_storage")
    if longest is not None and int(longest) <= size:
        raise InvalidParameterCombination("Max storage size must be greater than storage size")


def _check_gp3(size_gib: int, iops: int | None, throughput: int | None) -> None:
    if size_gib < STRIPED_FROM_GIB:
        if iops or throughput:
            raise InvalidParameterCombination(
                f"You can't specify IOPS or storage throughput for engine {ENGINE} and a storage size less than "
                f"{STRIPED_FROM_GIB}."
            )
        return
    if iops is not None and not 12_000 <= int(iops) <= min(64_000, 500 * size_gib):
        raise InvalidParameterCombination(f"Invalid IOPS value for storage type gp3: {iops}")
    if throughput is not None and not 500 <= int(throughput) <= min(4_000, int(iops or 12_000) // 4):
        raise InvalidParameterCombination(f"Invalid storage throughput value for storage type gp3: {throughput}")


def check_growth(before_gib: int, after_gib: int) -> None:
    """Storage never shrinks, and grows by a tenth at least."""
    if after_gib == before_gib:
        return
    if after_gib < before_gib * 1.1:
        raise InvalidParameterCombination(
            f"Invalid storage size for engine name {ENGINE}: {after_gib}. Storage can only grow, by 10 percent or more."
        )


def check_retention(request: Request) -> None:
    days = request.get("backup_retention_period")
    if days is not None and int(days) not in RETENTION_DAYS:
        raise InvalidParameterValue(f"Invalid backup retention period: {days}. Must be between 0 and 35.")


def check_password(password: str) -> None:
    """https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.Constraints"""
    shortest, longest = PASSWORD_LENGTH
    bad = "The parameter MasterUserPassword is not a valid password"
    if len(password) < shortest:
        raise InvalidParameterValue(f"{bad} because it is shorter than {shortest} characters.")
    if len(password) > longest:
        raise InvalidParameterValue(f"{bad} because it is longer than {longest} characters.")
    if any(not "!" <= character <= "~" or character in FORBIDDEN_IN_PASSWORDS for character in password):
        raise InvalidParameterValue(f"{bad}. Only printable ASCII characters besides '/', '@', '\"', ' ' may be used.")


def _check_master(request: Request) -> None:
    name = request.get("master_username")
    if not name:
        raise InvalidParameterValue("The parameter MasterUsername must be provided and must not be blank.")
    if name.lower() in RESERVED_USERS or name.lower().startswith("pg_"):
        raise InvalidParameterValue(f"MasterUsername {name} cannot be used as it is a reserved word used by the engine")
    if not MASTER_NAME.fullmatch(name):
        raise InvalidParameterValue(
            "The parameter MasterUsername is not a valid identifier. It must begin with a letter and contain only "
            "ASCII letters, digits, and underscores."
        )
    managed, password = request.get("manage_master_user_password"), request.get("master_user_password")
    if managed and password is not None:
        raise InvalidParameterCombination(
            "You can't specify MasterUserPassword for an instance with ManageMasterUserPassword enabled."
        )
    if not managed:
        if password is None:
            raise InvalidParameterValue("The parameter MasterUserPassword must be provided and must not be blank.")
        check_password(password)


def check_family(group: str, family: str, wanted_family: str) -> None:
    if family != wanted_family:
        raise InvalidParameterCombination(
            f"The parameter group {group} with DBParameterGroupFamily {family} can't be used for this instance. "
            f"Please use a parameter group with DBParameterGroupFamily {wanted_family}"
        )


def check_coverage(zones: frozenset[str]) -> None:
    """A DB subnet group spans two availability zones at least.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_VPC.WorkingWithRDSInstanceinaVPC.html
    """
    if len(zones) < 2:
        raise RDSClientError(
            "DBSubnetGroupDoesNotCoverEnoughAZs",
            "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ coverage: "
            f"{', '.join(sorted(zones))}. Add subnets to cover at least 2 AZs.",
        )
