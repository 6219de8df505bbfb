"""What a group's values become on a machine that is no db.r7g.16xlarge: limits, and what the wheels cannot do.

Applied after the formulas and only to what the server itself gets: the API always shows the group's own values.
Only what is taken from the machine when the server starts is limited; limits that are reached by need (work_mem,
maintenance_work_mem, max_wal_size) stay as asked. Every change made here is reported by the lab, and by nothing else.
"""

from collections.abc import Mapping
from types import MappingProxyType

from pgcutover.lab.rds.catalogue import COMPILED_IN

HIGHEST = MappingProxyType(
    {
        "autovacuum_max_workers": 3,
        "autovacuum_work_mem": 65536,
        "max_connections": 200,
        "max_files_per_process": 1000,
        "max_locks_per_transaction": 1024,
        "max_logical_replication_workers": 8,
        "max_pred_locks_per_transaction": 256,
        "max_prepared_transactions": 100,
        "max_replication_slots": 20,
        "max_wal_senders": 20,
        "max_worker_processes": 32,
        "min_wal_size": 80,
        "shared_buffers": 16384,
        "wal_buffers": 2048,
    }
)
"""In each parameter's own unit: above these, a few instances at once do not fit in a laptop's memory or disk."""
LEFT_ALONE = frozenset({"max_stack_depth", "huge_pages", "huge_page_size"})
"""Depend on the operating system's limits; the wrong value keeps the server from starting."""


def fitted(wanted: Mapping[str, str], libraries: frozenset[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The settings to start a server with, and those that differ from what was wanted, each with the wanted value."""
    settings: dict[str, str] = {}
    changed: dict[str, str] = {}
    for name, value in wanted.items():
        fit = _fit(name, value, libraries)
        if fit is not None:
            settings[name] = fit
        if fit != value:
            changed[name] = value
    return settings, changed


def _fit(name: str, value: str, libraries: frozenset[str]) -> str | None:
    if name in LEFT_ALONE or value in COMPILED_IN.get(name, ()):
        return None
    if name in HIGHEST:
        return str(min(int(value), HIGHEST[name]))
    if name == "shared_preload_libraries":
        return ",".join(library for library in value.split(",") if library.strip() in libraries)
    return value
