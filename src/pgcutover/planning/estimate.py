"""How long each step should take: fixed waits and bytes over rates. Rough until a rehearsal has measured the real ones.

Pure. The figures are stated beside their source; none comes from the machine that runs this.
"""

from collections.abc import Mapping

from pgcutover.planning.plan import Decisions

# A release usually takes 5 to 15 s and a dyno 10 to 30 s to boot.
RELEASE_S = 10.0
BOOT_S = 20.0
# Creation of a Single-AZ instance: median of eight Terraform logs in public repositories, 5 to 10 min.
CREATE_INSTANCE_S = 450.0
# About 10 min while the volume is small, as a public workshop of AWS says; then a group of its own, a reboot.
CREATE_REPLICA_S = 720.0
DYNAMIC_PARAMETER_S = 30.0
SNAPSHOT_S = 300.0
# What one stream of COPY gives on small instances (about 100 GB an hour, as
# https://github.com/planetscale/heroku-migrator says of one stream a table).
COPY_BYTES_PER_S = 28e6
# Index builds take about as long as COPY: 1 h 27 min against 1 h 15 min in the sample run of
# https://github.com/planetscale/migration-scripts (pgcopydb-helpers).
INDEX_BYTES_PER_S = 28e6
# VACUUM at the pace that edges/vacuuming.py gives it.
VACUUM_BYTES_PER_S = 40e6
# Hashing reads twice: both sides, in parallel.
VERIFY_BYTES_PER_S = 80e6

FIXED_S: Mapping[str, float] = {
    "save-config": 1,
    "network": 5,
    "secret": 2,
    "parameter-group": 10,
    "instance": CREATE_INSTANCE_S,
    "database": 5,
    "replica-group": 10,
    "replica": CREATE_REPLICA_S,
    "canary": 20,
    "load-parameters": DYNAMIC_PARAMETER_S,
    "maintenance": 2,
    "scale-down": 30,
    "stop-dynos": 2,
    "fence": 5,
    "schema": 10,
    "finish": 5,
    "replica-caught-up": 10,
    "parameters-back": DYNAMIC_PARAMETER_S,
    "open-target": 1,
    "smoke": 2 * BOOT_S,
    "lift": BOOT_S,
    "aftercare": SNAPSHOT_S,
    "parameters-proved": 5,
    "point-in-time": 300,
    "alarms": 5,
}


def estimates(decisions: Decisions, steps: tuple[str, ...]) -> dict[str, float]:
    """Seconds by step name; a step that nothing is known about is left out."""
    source, jobs = decisions.source, max(1, decisions.jobs)
    # Streams share disks and cores: the gain of each further job is taken as half.
    speed_up = 1 + (jobs - 1) / 2
    releases = sum(len([m for m in app.moves.variables if m.attachment]) for app in decisions.apps)
    computed = {
        "copy": 3 + (source.data_bytes / COPY_BYTES_PER_S + source.index_bytes / INDEX_BYTES_PER_S) / speed_up,
        "verify": 3 + source.data_bytes / VERIFY_BYTES_PER_S / speed_up,
        "finish": FIXED_S["finish"] + source.data_bytes / (10 * VERIFY_BYTES_PER_S),
        "vacuum": 3 + source.data_bytes / VACUUM_BYTES_PER_S,
        "detach": RELEASE_S * releases,
        "connect": BOOT_S * sum(len(app.moves.logins) for app in decisions.apps),
        "switch": RELEASE_S * len(decisions.apps),
        "follow-replica": (RELEASE_S + BOOT_S) * sum(bool(app.moves.of_replica.variables) for app in decisions.apps),
    }
    kept = {step: RELEASE_S for step in steps if step.startswith("keep-attachment")}
    known = {**FIXED_S, **computed, **kept}
    return {step: round(known[step], 1) for step in steps if step in known}
