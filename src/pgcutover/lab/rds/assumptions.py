"""What the lab's RDS takes for granted and nobody here could check on a real account.

Each sentence has a number; the code that rests on it carries the number in a comment, so that what is learnt on a real
account corrects the lab and the program together. A1 to A3 are open points 1 to 3 of the project's notes on AWS; points
4 to 7 (effects and prices) are nothing the lab could assume. Nothing is decided here.
"""

from collections.abc import Mapping
from types import MappingProxyType

ASSUMPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "A1": "wal_level is replica whatever the backup retention is, and only rds.logical_replication makes it "
        "logical; a replica in the same Region takes no DBParameterGroupName, as the API model says",
        "A2": "which parameters may be modified is the postgres11 family's list; what values are allowed is what this "
        "PostgreSQL allows, with lz4 and zstd added where RDS compiles them in",
        "A3": "a managed master password (ManageMasterUserPassword) and a read replica exclude each other",
        "A8": "ModifyDBInstance and RebootDBInstance leave the status at available for some seconds before it changes",
        "A9": "the API's answer names no endpoint until the instance has finished creating",
        "A10": "a dynamic parameter of an attached group counts within seconds, and meanwhile the group is applying",
        "A11": "an instance that is being created, modified, rebooted or backed up refuses to be deleted",
        "A12": "DBInstanceClassMemory is 73 % of the memory of a 1 GiB class and 96 % from 16 GiB on, between them "
        "linear in the logarithm",
        "A13": "log() in a formula is the logarithm to the base 2, and 0 for what is below 1",
        "A14": "where no public log shows the text of an error, its code is RDS's and its text is ours",
        "A15": "LatestRestorableTime is absent until the first automated backup is complete, and then never more than "
        "five minutes behind",
        "A20": "Amazon Linux 2023's image has its root on /dev/xvda, and the SSM agent, curl, cloud-init and the AWS "
        "command line on it",
        "A21": "the package postgresqlNN of Amazon Linux 2023 (15 to 18) holds pg_dump, pg_restore, psql and "
        "pg_isready; dnf replaces another major's with --allowerasing; nmap-ncat has nc, and python3.12 has -pip",
        "A22": "a new machine with AmazonSSMManagedInstanceCore is online in Systems Manager within 10 minutes where "
        "its subnet leads to the Internet, and AWS-RunShellScript runs as root",
        "A23": "EC2 refuses a new instance profile with InvalidParameterValue for some seconds, and never starts a "
        "machine for a call that it refused",
        "A24": "a security group can be removed at most 5 minutes after its machine has ended",
        "A25": "the endpoint of a public RDS instance resolves to its private address in its own network, so that the "
        "host is let in by the same rule as everybody",
        "A26": "outside EC2 nothing answers at 169.254.169.254, and a connection to it fails or is silent",
        "A27": "pgcutover of this version is on PyPI, and what it needs has wheels for Python 3.12 on aarch64 and "
        "x86_64",
    }
)
