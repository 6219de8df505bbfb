"""What happens to an instance over time: made, backed up, modified, rebooted, retuned, stopped, deleted.

Each function is a job for the instance's worker. Durations are those seen on RDS (Terraform logs, 5 to 10 minutes for a
creation; here at the short end), divided by the lab's speed. Slow work is done without `Site.lock`, records change
with it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.rds.models import DBSnapshot

from pgcutover.errors import ToolError
from pgcutover.lab.rds import parameters
from pgcutover.lab.rds.changes import CHANGES
from pgcutover.lab.rds.instances import (
    APPLYING,
    AVAILABLE,
    IN_SYNC,
    PENDING_REBOOT,
    Instance,
    UnfitParametersError,
)

CREATING_S = 150
BACKUP_S = 20
GRACE_S = 15
"""How long the status stays at available after a call that will change it (A8): why waiters return too early."""
REBOOT_S = 60
APPLY_S = 5
SNAPSHOT_S = 60
STOP_S = 60
DELETE_S = 60


def create(instance: Instance) -> None:
    """From nothing to available."""
    with instance.site.clock.lasting(CREATING_S):
        wanted = _wanted_at_boot(instance)
        instance.database.create(
            master=str(instance.master_username),
            password=instance.master_password,
            name=instance.db_name,
            settings=wanted,
        )
    _born(instance, wanted, "DB instance created")


def replicate(instance: Instance, primary: Instance) -> None:
    """A streaming replica of a primary."""
    with instance.site.clock.lasting(CREATING_S):
        wanted = _wanted_at_boot(instance)
        instance.database.follow(primary.database, slot_of(instance), wanted)
    _born(instance, wanted, "Read replica created")


def restore(instance: Instance, snapshot: Path) -> None:
    with instance.site.clock.lasting(CREATING_S):
        wanted = _wanted_at_boot(instance)
        instance.database.restore(snapshot, wanted)
    _born(instance, wanted, "Restored from snapshot")


def slot_of(replica: Instance) -> str:
    return f"rds_{replica.region}_db_{replica.resource_id}".replace("-", "_")


def _wanted_at_boot(instance: Instance) -> dict[str, str]:
    with instance.site.lock:
        instance.attached_group = instance.db_parameter_groups()[0].name
        return instance.wanted_settings(instance.attached_group)


def _born(instance: Instance, wanted: dict[str, str], message: str) -> None:
    site = instance.site
    with site.lock:
        instance.port = instance.database.port
        instance.applied = wanted
        instance.booted_group = instance.attached_group
        instance.tell(message, "creation")
        ending = site.knobs.take_ending()
    if ending is not None:
        instance.enter(ending)
        return
    if instance.backup_retention_period and not instance.is_replica:
        back_up(instance)
    instance.enter(AVAILABLE)


def back_up(instance: Instance) -> None:
    """An automated backup: a record only, its data is not kept by the lab."""
    instance.enter("backing-up")
    with instance.site.lock:
        instance.tell("Backing up DB instance", "backup")
        snapshot = instance.backend.automated_snapshot(instance)
    instance.site.clock.wait(BACKUP_S)
    with instance.site.lock:
        snapshot.status = AVAILABLE
        instance.restorable_since = datetime.now(UTC)
        instance.tell("Finished DB Instance backup", "backup")


def modify(instance: Instance, wanted: Mapping[str, Any]) -> None:
    """Carry out a ModifyDBInstance: `wanted` holds changed attributes only, by their names in `CHANGES`."""
    site = instance.site
    site.clock.wait(GRACE_S)
    back_up_after = not instance.backup_retention_period and wanted.get("backup_retention_period")
    for name, value in wanted.items():
        change = CHANGES[name]
        instance.enter(change.status)
        with site.clock.lasting(change.takes_s):
            change.work(instance, value)
        with site.lock:
            instance.pending_modified_values.pop(change.pending, None)
            instance.tell(change.message, "configuration change")
    if any(CHANGES[name].restarts for name in wanted):
        _restart(instance)
    if back_up_after:
        back_up(instance)
    if any(CHANGES[name].optimizes for name in wanted):
        instance.enter("storage-optimization")
        site.clock.wait(GRACE_S)
    instance.enter(AVAILABLE)


def reboot(instance: Instance) -> None:
    instance.site.clock.wait(GRACE_S)
    instance.enter("rebooting")
    with instance.site.clock.lasting(REBOOT_S):
        _restart(instance)
    instance.enter(AVAILABLE)


def _restart(instance: Instance) -> None:
    site = instance.site
    with site.lock:
        instance.tell("DB instance shutdown", "availability")
        group = instance.attached_group
        wanted = instance.wanted_settings(group)
    try:
        instance.database.restart(wanted)
    except ToolError as cause:
        with site.lock:
            instance.tell(f"The parameter group {group} keeps the DB instance from starting", "failure")
        raise UnfitParametersError(str(cause)) from cause
    with site.lock:
        instance.booted_group, instance.applied, instance.failure = group, wanted, ""
        # A parameter may have been edited while the server was down; the edit's own job says so next.
        instance.follow_group(IN_SYNC)
        instance.tell("DB instance restarted", "availability")


def retune(instance: Instance) -> None:
    """The attached group was edited: what needs no reboot counts now."""
    site = instance.site
    with site.lock:
        if instance.booted_group != instance.attached_group or instance.port is None:
            return
        before = instance.apply_status
        instance.follow_group(APPLYING)  # A10
        wanted, waiting = instance.wanted_settings(instance.attached_group), instance.waiting_for_reboot()
        now, held = parameters.in_force(wanted, instance.applied, waiting)
    if not instance.database.cluster.running:
        instance.follow_group(before)
        return
    with site.clock.lasting(APPLY_S):
        static = instance.database.apply(now)
    with site.lock:
        instance.applied = now
        instance.follow_group(PENDING_REBOOT if static or held else IN_SYNC)
        instance.tell("Updated the DB parameter group's values", "configuration change")


def snapshot(instance: Instance, record: DBSnapshot, directory: Path) -> None:
    instance.enter("backing-up")
    with instance.site.clock.lasting(SNAPSHOT_S):
        instance.database.save(directory)
    with instance.site.lock:
        instance.backend.finish_snapshot(record)
    instance.enter(AVAILABLE)


def promote(instance: Instance, primary: Instance) -> None:
    instance.enter("modifying")
    with instance.site.clock.lasting(REBOOT_S):
        instance.database.cluster.promote()
        primary.database.drop_slot(slot_of(instance))
    with instance.site.lock:
        instance.tell("Promoted read replica to a stand-alone DB instance", "configuration change")
    if instance.backup_retention_period:
        back_up(instance)
    instance.enter(AVAILABLE)


def stop(instance: Instance) -> None:
    with instance.site.clock.lasting(STOP_S):
        instance.database.stop()
    with instance.site.lock:
        instance.tell("DB instance stopped", "notification")
    instance.enter("stopped")


def start(instance: Instance) -> None:
    with instance.site.clock.lasting(STOP_S):
        wanted = _wanted_at_boot(instance)
        instance.database.start(wanted)
    with instance.site.lock:
        instance.applied, instance.booted_group = wanted, instance.attached_group
        instance.follow_group(IN_SYNC)
        instance.tell("DB instance started", "notification")
    instance.enter(AVAILABLE)


def delete(instance: Instance, final: DBSnapshot | None, directory: Path | None, primary: Instance | None) -> None:
    """Stop the server; its files become the final snapshot, or are gone. `primary`: of a replica."""
    with instance.site.clock.lasting(DELETE_S):
        instance.database.remove(keep_as=directory)
        if primary is not None:
            primary.database.drop_slot(slot_of(instance))
    with instance.site.lock:
        if final is not None:
            instance.backend.finish_snapshot(final)
        instance.tell("DB instance deleted", "deletion")
        instance.backend.forget(instance)
    instance.worker.close()
