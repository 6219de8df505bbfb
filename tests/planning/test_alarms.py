"""Alarms follow from the class and the disk, and the replica's from its own."""

from pgcutover.facts.rds import Alarm
from pgcutover.planning.alarms import alarms_for, max_connections
from pgcutover.planning.sizing import class_facts

GIBI = 2**30


def alarms(replica: str = "", storage_gb: int = 100) -> dict[str, Alarm]:
    chosen = alarms_for(
        instance="acme",
        primary=class_facts("db.m7g.xlarge"),
        replica=replica,
        replica_class=class_facts("db.t4g.micro") if replica else None,
        storage_gb=storage_gb,
    )
    return {alarm.name: alarm for alarm in chosen}


def test_a_database_alone_is_watched_for_what_stops_an_application() -> None:
    """Processors, connections, disk, memory, and WAL that takes the disk; no replica, so nothing of one."""
    assert {
        "acme-CPUUtilization": (True, 90.0),
        "acme-DatabaseConnections": (True, 1384.0),
        "acme-FreeStorageSpace": (False, 8.0 * GIBI),
        "acme-FreeableMemory": (False, 858993459.0),
        "acme-TransactionLogsDiskUsage": (True, 16.0 * GIBI),
    } == {name: (alarm.above, alarm.threshold) for name, alarm in alarms().items()}


def test_a_replica_adds_its_own_and_its_slot() -> None:
    """By its own class; its lag may be as long as the longest query that its parameters let run, and no longer."""
    found = alarms("acme-replica")
    assert 8.0 * GIBI == found["acme-OldestReplicationSlotLag"].threshold
    assert 4200 == found["acme-replica-ReplicaLag"].threshold
    assert 65 == found["acme-replica-DatabaseConnections"].threshold
    assert {"acme", "acme-replica"} == {alarm.instance for alarm in found.values()}
    assert all(alarm.why for alarm in found.values())


def test_a_disk_that_grows_a_little_makes_no_other_alarms() -> None:
    """Otherwise every plan were stale when the source has grown by a gigabyte."""
    assert alarms(storage_gb=41) == alarms(storage_gb=79)
    assert alarms(storage_gb=41) != alarms(storage_gb=80)


def test_connections_are_reckoned_as_rds_does_and_never_too_high() -> None:
    """Seen on real instances: 81 on 1 GiB, 1727 on 16 GiB, and 5000 at most."""
    seen = {"db.t4g.micro": 82, "db.m7g.xlarge": 1730, "db.r7g.16xlarge": 5000}
    assert seen == {name: max_connections(class_facts(name)) for name in seen}
