"""Which parameters a family has: names, types, ranges and moments of effect, taken from a real server of that version.

A family is `postgres16` or `postgres18`. The server is a throw-away cluster, started once for each version and lab.
What RDS adds to stock PostgreSQL (`rds.*`) and what it forbids stands in the tables here. Nothing here knows instances.
"""

import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from pgcutover.lab.clusters import Cluster
from pgcutover.lab.rds.defaults import DEFAULTS

FAMILIES = {16: "postgres16", 18: "postgres18"}
MAJORS = {family: major for major, family in FAMILIES.items()}

ABSENT = frozenset({"wal_level", "archive_mode", "archive_library"})
"""In no group at all. A2"""
FIXED = frozenset(
    """
    allow_alter_system archive_command archive_timeout config_file data_directory exit_on_error external_pid_file
    extension_control_path fsync full_page_writes hba_file ident_file listen_addresses lo_compat_privileges
    log_directory log_file_mode logging_collector log_line_prefix log_timezone log_truncate_on_rotation port
    primary_conninfo primary_slot_name recovery_target recovery_target_action recovery_target_inclusive
    recovery_target_lsn recovery_target_name recovery_target_time recovery_target_timeline recovery_target_xid
    recovery_end_command archive_cleanup_command restore_command restart_after_crash server_encoding ssl ssl_ca_file
    ssl_cert_file ssl_ciphers ssl_crl_dir ssl_crl_file ssl_dh_params_file ssl_key_file ssl_passphrase_command
    ssl_passphrase_command_supports_reload superuser_reserved_connections syslog_facility syslog_ident
    unix_socket_directories unix_socket_group unix_socket_permissions wal_sync_method
    """.split()  # noqa: SIM905  (fifty quoted names would fill a page)
)
"""Shown with IsModifiable = false. A2"""
ALLOWED = {
    "max_connections": "6-262143",
    "shared_preload_libraries": "auto_explain,orafce,pgaudit,pglogical,pg_bigm,pg_cron,pg_hint_plan,pg_overexplain,"
    "pg_prewarm,pg_similarity,pg_stat_monitor,pg_stat_statements,pg_tle,pg_transport,plprofiler",
}
"""RDS's own range where it differs from PostgreSQL's."""
COMPILED_IN = {"wal_compression": ("lz4", "zstd"), "default_toast_compression": ("lz4",)}
"""RDS builds PostgreSQL with these; the wheels do not, and get the default instead (see `laptop.py`). A2"""
LISTS = frozenset({"shared_preload_libraries", "rds.allowed_extensions"})
DATA_TYPES = {"bool": "boolean", "integer": "integer", "real": "float", "enum": "string", "string": "string"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One row of DescribeDBParameters, without a group's value."""

    name: str
    description: str
    data_type: str
    static: bool
    """Counts only from the next start of the server."""
    modifiable: bool
    allowed: str = ""
    """`min-max`, or values separated by commas; empty: anything."""
    default: str | None = None
    """The value or formula RDS itself sets; None: PostgreSQL's own default."""

    @property
    def apply_type(self) -> str:
        return "static" if self.static else "dynamic"

    @property
    def is_list(self) -> bool:
        return self.data_type == "list"


def _own(name: str, data_type: str, default: str | None, allowed: str, *, static: bool = False) -> Parameter:
    return Parameter(
        name=name,
        description=name.replace("_", " ").replace(".", " "),
        data_type=data_type,
        static=static,
        modifiable=name not in ("rds.extensions", "rds.superuser_variables"),
        allowed=allowed,
        default=default,
    )


RDS_OWN = (
    _own("rds.accepted_password_auth_method", "string", "md5+scram", "md5+scram,scram"),
    _own("rds.adaptive_autovacuum", "boolean", "1", "0,1"),
    _own("rds.allowed_extensions", "list", None, ""),
    _own("rds.extensions", "string", None, ""),
    # 1 from PostgreSQL 15 on: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/PostgreSQL.Concepts.General.SSL.html
    _own("rds.force_ssl", "boolean", "1", "0,1"),
    _own("rds.log_retention_period", "integer", "4320", "1440-10080"),
    _own("rds.logical_replication", "boolean", "0", "0,1", static=True),
    _own("rds.restrict_password_commands", "boolean", "0", "0,1", static=True),
    _own("rds.superuser_variables", "string", "session_replication_role", ""),
)


class Catalogue:
    """The parameters of each family, read when first asked for."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._known: dict[int, Mapping[str, Parameter]] = {}
        self._lock = threading.Lock()

    def of(self, major: int) -> Mapping[str, Parameter]:
        """By name, in the order of names."""
        with self._lock:
            if major not in self._known:
                self._known[major] = self._read(major)
            return self._known[major]

    def _read(self, major: int) -> Mapping[str, Parameter]:
        cluster = Cluster(self._scratch / f"catalogue-{major}", major, settings={"fsync": "off"})
        shutil.rmtree(cluster.directory, ignore_errors=True)
        query = resources.files(__package__).joinpath("sql", "settings.sql").read_text()
        try:
            cluster.initdb()
            cluster.start()
            with cluster.superuser() as session:
                rows = session.execute(query.encode()).fetchall()
        finally:
            cluster.stop("immediate")
            shutil.rmtree(cluster.directory, ignore_errors=True)
        # RDS writes TimeZone, DateStyle and IntervalStyle in lower case, as everything.
        found = {row[0].lower(): _parameter(*row) for row in rows if row[0] not in ABSENT}
        found |= {own.name: own for own in RDS_OWN}
        return {name: replace(found[name], default=DEFAULTS.get(name, found[name].default)) for name in sorted(found)}


def _parameter(
    name: str,
    context: str,
    vartype: str,
    unit: str,
    lowest: str,
    highest: str,
    choices: list[str],
    description: str,
) -> Parameter:
    allowed = ""
    if vartype == "bool":
        allowed = "0,1"
    elif vartype == "enum":
        allowed = ",".join(dict.fromkeys((*choices, *COMPILED_IN.get(name, ()))))
    elif lowest and highest:
        allowed = f"{lowest}-{highest}"
    return Parameter(
        name=name.lower(),
        description=f"({unit}) {description}" if unit else description,
        data_type="list" if name in LISTS else DATA_TYPES[vartype],
        static=context == "postmaster",
        modifiable=name not in FIXED,
        allowed=ALLOWED.get(name, allowed),
    )
