"""What RDS for PostgreSQL sets by itself in every parameter group: values and formulas, in PostgreSQL's own units.

Only data. Formulas: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ParamValuesRef.html; the list is that
of the families postgres11 to postgres16.
"""

from collections.abc import Mapping
from types import MappingProxyType

DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        "autovacuum_analyze_scale_factor": "0.05",
        "autovacuum_max_workers": "GREATEST({DBInstanceClassMemory/64371566592},3)",
        "autovacuum_naptime": "15",
        "autovacuum_vacuum_cost_limit": "GREATEST({log(DBInstanceClassMemory/21474836480)*600},200)",
        "autovacuum_vacuum_scale_factor": "0.1",
        "autovacuum_work_mem": "GREATEST({DBInstanceClassMemory/32768},65536)",
        "checkpoint_completion_target": "0.9",
        "effective_cache_size": "{DBInstanceClassMemory/16384}",
        "idle_in_transaction_session_timeout": "86400000",
        "log_autovacuum_min_duration": "10000",
        "maintenance_work_mem": "GREATEST({DBInstanceClassMemory*1024/63963136},65536)",
        "max_connections": "LEAST({DBInstanceClassMemory/9531392},5000)",
        "max_parallel_workers": "GREATEST({DBInstanceVCPU/2},8)",
        "max_stack_depth": "6144",
        "max_wal_size": "2048",
        "max_worker_processes": "GREATEST({DBInstanceVCPU*2},8)",
        "min_wal_size": "192",
        "password_encryption": "scram-sha-256",
        "shared_buffers": "{DBInstanceClassMemory/32768}",
        "shared_preload_libraries": "pg_stat_statements",
        "timezone": "UTC",
        "track_activity_query_size": "4096",
        "track_functions": "pl",
        "track_io_timing": "1",
    }
)
