"""Every numbered assumption about RDS, as a probe looks at it. A1 to A7 are the open points of the notes.

Only data. `NAME` stands for the probe's instance and its groups.
"""

from pgcutover.planning.predictions import Prediction

NO_MACHINE = "a probe makes no EC2 machine: pgcutover host up shows it"

AWS: tuple[Prediction, ...] = (
    Prediction(
        number="A1",
        says="wal_level is replica whatever the retention is; a replica in the same Region takes no parameter group.",
        how="SHOW wal_level; ModifyDBInstance {BackupRetentionPeriod 1}; CreateDBInstanceReadReplica "
        "{DBParameterGroupName}",
        expects="retention 0: replica; retention 1: replica; a replica with a parameter group: refused",
    ),
    Prediction(
        number="A2",
        says="Every parameter that pgcutover sets may be modified.",
        how="DescribeEngineDefaultParameters",
        expects="all may be modified",
    ),
    Prediction(
        number="A3",
        says="A managed master password and a read replica exclude each other.",
        how="ModifyDBInstance {ManageMasterUserPassword}; CreateDBInstanceReadReplica",
        expects="refused",
    ),
    Prediction(
        number="A4",
        says="The load profile makes a load faster.",
        unseen="it takes an instance of production's size and its data: a rehearsal measures it",
    ),
    Prediction(
        number="A5",
        says="What Heroku writes about access to RDS, and its list of extensions, are as the notes have them.",
        unseen="these are pages to read; what a database holds is read by pgcutover inventory",
    ),
    Prediction(
        number="A6",
        says="Prices of the newest classes and of gp3's throughput are as the notes have them.",
        unseen="nothing is taken from the notes: prices stand on AWS's own pages",
    ),
    Prediction(
        number="A7",
        says="io2 and a dedicated log volume help where the WAL is the bound.",
        unseen="both cost more than a probe should, and a probe has no load",
    ),
    Prediction(
        number="A8",
        says="ModifyDBInstance and RebootDBInstance leave the status at available for some seconds.",
        how="ModifyDBInstance {BackupRetentionPeriod 2}, RebootDBInstance, each followed by DescribeDBInstances",
        expects="after a change: available; after a reboot: available",
    ),
    Prediction(
        number="A9",
        says="The API's answer names no endpoint until the instance has finished creating.",
        how="CreateDBInstance; DescribeDBInstances while its status is creating",
        expects="no endpoint while creating",
    ),
    Prediction(
        number="A10",
        says="A dynamic parameter of an attached group counts within seconds, and meanwhile the group is applying.",
        how="ModifyDBParameterGroup {log_min_duration_statement}; SHOW and DescribeDBInstances until it counts",
        expects="it counts within two minutes, and nothing waits for a reboot",
    ),
    Prediction(
        number="A11",
        says="An instance that is being created, modified, rebooted or backed up refuses to be deleted.",
        how="RebootDBInstance; DeleteDBInstance once its status is no longer available",
        expects="refused: InvalidDBInstanceState",
    ),
    Prediction(
        number="A12",
        says="DBInstanceClassMemory is 73 % of the memory of a 1 GiB class. Larger classes are not seen.",
        how="SHOW effective_cache_size, which RDS sets to half of it",
        expects="70 to 76 % of 1 GiB",
    ),
    Prediction(
        number="A13",
        says="log() in a formula is the logarithm to the base 2.",
        how="ModifyDBParameterGroup {vacuum_cost_limit = a formula with log()}; SHOW",
        expects="to the base 2",
    ),
    Prediction(
        number="A14",
        says="The codes of errors are RDS's; texts may differ.",
        how="DescribeDBInstances of none; CreateDBParameterGroup twice; ModifyDBParameterGroup of no parameter",
        expects="DBInstanceNotFound, DBParameterGroupAlreadyExists, InvalidParameterValue",
    ),
    Prediction(
        number="A15",
        says="LatestRestorableTime is never more than five minutes behind, once the first automated backup is there.",
        how="DescribeDBInstances after the first backup. Its absence before that is not looked at",
        expects="at most five minutes behind",
    ),
    Prediction(
        number="A20",
        says="Amazon Linux 2023's image has its root on /dev/xvda, and carries the SSM agent, curl and cloud-init.",
        unseen=NO_MACHINE,
    ),
    Prediction(
        number="A21",
        says="Amazon Linux 2023's postgresqlNN packages hold PostgreSQL's client programs.",
        unseen=NO_MACHINE,
    ),
    Prediction(number="A22", says="A new machine is online in Systems Manager within 10 minutes.", unseen=NO_MACHINE),
    Prediction(
        number="A23",
        says="EC2 refuses a new instance profile with InvalidParameterValue for some seconds.",
        unseen=NO_MACHINE,
    ),
    Prediction(
        number="A24",
        says="A security group can be removed at most 5 minutes after its machine has ended.",
        unseen=NO_MACHINE,
    ),
    Prediction(
        number="A25",
        says="The endpoint of a public RDS instance resolves to its private address in its own network.",
        unseen=NO_MACHINE,
    ),
    Prediction(number="A26", says="Outside EC2 nothing answers at 169.254.169.254.", unseen=NO_MACHINE),
    Prediction(number="A27", says="What pgcutover needs from PyPI has wheels for the machine.", unseen=NO_MACHINE),
)
