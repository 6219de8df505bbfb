"""Which CloudWatch alarms the new database gets, with thresholds that follow from its class and its disk.

Pure. Few, and each for something that stops an application; RDS sends the metrics without being asked.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-metrics.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Best_Practice_Recommended_Alarms_AWS_Services.html#RDS
"""

from pgcutover.facts.rds import Alarm, ClassFacts
from pgcutover.planning.tuning import STANDBY_DELAY_MS, slot_cap_mb

MEBI = 2**20
GIBI = 2**30
BUSY_PERCENT = 90
FEW_CONNECTIONS = 0.8
"""Of what the server takes; the last of them belong to whoever comes to help."""
BYTES_PER_CONNECTION = 9_531_392
MOST_CONNECTIONS = 5_000
"""max_connections is LEAST({DBInstanceClassMemory/9531392},5000).
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.MaxConnections"""
LARGE_GIB, USABLE_OF_LARGE, USABLE_OF_SMALL = 16, 0.96, 0.73
"""DBInstanceClassMemory is what the operating system and RDS leave: 96 % of 16 GiB were seen, and 73 % of 1 GiB. Taken
too low, an alarm comes early."""
LITTLE_MEMORY = 0.05
"""Of the class's memory: below it the server begins to swap."""
LATE_S = STANDBY_DELAY_MS // 1000 + 600
"""A query of an hour holds the replay back for as long, as planned; beyond, something else does."""


def alarms_for(
    *,
    instance: str,
    primary: ClassFacts,
    replica: str,
    replica_class: ClassFacts | None,
    storage_gb: int,
) -> tuple[Alarm, ...]:
    """Alarms of the primary, then of the replica; `replica` is '' where there is none."""
    alarms = _of_server(instance, primary, storage_gb)
    # The WAL that slots and the archive keep shares the disk with the data.
    kept_bytes = slot_cap_mb(storage_gb) * MEBI
    alarms.append(_above(instance, "TransactionLogsDiskUsage", kept_bytes, "WAL takes the disk: see what keeps it"))
    if replica_class is not None:
        alarms.append(
            _above(instance, "OldestReplicationSlotLag", kept_bytes // 2, "the replica is half of the WAL kept behind")
        )
        alarms += _of_server(replica, replica_class, storage_gb)
        alarms.append(_above(replica, "ReplicaLag", LATE_S, "the replica falls behind, beyond what one query may do"))
    return tuple(alarms)


def alarm_names(instance: str, replica: str) -> tuple[str, ...]:
    """Of every alarm that a plan may ever have had for these two."""
    any_class = ClassFacts(name="", vcpus=1, memory_gib=1.0, disk_mb_per_s=1.0, disk_iops=1)
    alarms = alarms_for(instance=instance, primary=any_class, replica=replica, replica_class=any_class, storage_gb=20)
    return tuple(alarm.name for alarm in alarms)


def _of_server(instance: str, size: ClassFacts, storage_gb: int) -> list[Alarm]:
    connections = int(max_connections(size) * FEW_CONNECTIONS)
    return [
        _above(instance, "CPUUtilization", BUSY_PERCENT, "the processors are busy without a pause"),
        _above(instance, "DatabaseConnections", connections, "most of max_connections are taken"),
        # In powers of two as the WAL's cap, half of it: between a twentieth and a tenth of the disk.
        _below(instance, "FreeStorageSpace", slot_cap_mb(storage_gb) * MEBI // 2, "the disk is nearly full"),
        _below(instance, "FreeableMemory", int(size.memory_gib * GIBI * LITTLE_MEMORY), "the memory is nearly used up"),
    ]


def max_connections(size: ClassFacts) -> int:
    """RDS's default for a class, at least."""
    usable = USABLE_OF_LARGE if size.memory_gib >= LARGE_GIB else USABLE_OF_SMALL
    return min(int(size.memory_gib * GIBI * usable) // BYTES_PER_CONNECTION, MOST_CONNECTIONS)


def _above(instance: str, metric: str, threshold: float, why: str) -> Alarm:
    return Alarm(
        name=f"{instance}-{metric}", instance=instance, metric=metric, above=True, threshold=float(threshold), why=why
    )


def _below(instance: str, metric: str, threshold: float, why: str) -> Alarm:
    return Alarm(
        name=f"{instance}-{metric}", instance=instance, metric=metric, above=False, threshold=float(threshold), why=why
    )
