"""What the lab's RDS takes for granted and nobody here could check on a real account.

Each sentence has a number; the code that rests on it carries the number in a comment, so that what is learnt on a real
account corrects the lab and the program together. Nothing is decided here.
"""

from collections.abc import Mapping
from types import MappingProxyType

ASSUMPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "A1": "wal_level is replica whatever the backup retention is; only rds.logical_replication makes it logical",
        "A2": "which parameters may be modified is the postgres11 family's list; what values are allowed is what this "
        "PostgreSQL allows, with lz4 and zstd added where RDS compiles them in",
        "A3": "a managed master password (ManageMasterUserPassword) and a read replica exclude each other",
        "A4": "a replica in the same Region takes no DBParameterGroupName, as the API model says",
        "A5": "ModifyDBInstance and RebootDBInstance leave the status at available for some seconds before it changes",
        "A6": "the API's answer names no endpoint until the instance has finished creating",
        "A7": "a dynamic parameter of an attached group counts within seconds, and until then the group is applying",
        "A8": "an instance that is being created, modified, rebooted or backed up refuses to be deleted",
        "A9": "DBInstanceClassMemory is 73 % of the memory of a 1 GiB class and 96 % from 16 GiB on, between them "
        "linear in the logarithm",
        "A10": "log() in a formula is the logarithm to the base 2, and 0 for what is below 1",
    }
)
