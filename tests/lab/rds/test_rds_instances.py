"""DB instances with real servers behind them: what a client of the API and of the database sees over time."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgcutover.lab import processes

Refused = Callable[..., tuple[str, int]]
MAJORS = {"sixteen": 16, "eighteen": 18}
BUSY = ("InvalidDBInstanceState", 400)
COMBINATION = ("InvalidParameterCombination", 400)


@pytest.fixture(scope="module")
def instances(account: Any) -> dict[str, dict[str, Any]]:
    """One instance of each version, each with a group of its own from birth; by name."""
    for name, major in MAJORS.items():
        new_group(account, name, f"postgres{major}")
        edit(account, name, maintenance_work_mem="262144", max_locks_per_transaction="128")
        account.order(name, EngineVersion=str(major), DBParameterGroupName=name, DBName="app", BackupRetentionPeriod=1)
    return {name: account.available(name) for name in MAJORS}


@pytest.fixture(params=MAJORS)
def name(request: pytest.FixtureRequest, instances: dict[str, Any]) -> str:
    """Each of the two in turn. A test leaves it as it was."""
    return str(request.param)


@pytest.fixture(scope="module")
def spare(account: Any) -> str:
    """An instance without backups, whose class, storage and so on tests may change."""
    account.order("spare", AllocatedStorage=100)
    account.available("spare")
    return "spare"


@pytest.fixture
def fresh(account: Any) -> Iterator[str]:
    """The name of an instance of this test's own; what is left of it is deleted."""
    name = "fresh"
    yield name
    if any(one["DBInstanceIdentifier"] == name for one in account.rds.describe_db_instances()["DBInstances"]):
        account.rds.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False)
        account.rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
        account.gone(name)


def new_group(account: Any, name: str, family: str) -> None:
    account.rds.create_db_parameter_group(
        DBParameterGroupName=name, DBParameterGroupFamily=family, Description="of a test"
    )


def edit(account: Any, group: str, method: str = "pending-reboot", **values: str) -> None:
    account.rds.modify_db_parameter_group(
        DBParameterGroupName=group,
        Parameters=[{"ParameterName": n, "ParameterValue": v, "ApplyMethod": method} for n, v in values.items()],
    )


def reset(account: Any, group: str, *names: str, method: str = "immediate") -> None:
    account.rds.reset_db_parameter_group(
        DBParameterGroupName=group, Parameters=[{"ParameterName": name, "ApplyMethod": method} for name in names]
    )


def apply_status(found: dict[str, Any]) -> str:
    return str(found["DBParameterGroups"][0]["ParameterApplyStatus"])


class TestServer:
    def test_it_is_the_version_that_was_ordered(self, account: Any, name: str) -> None:
        """A real server of that major, over verified TLS, with the ordered database."""
        with account.session(name, dbname="app") as session:
            row = session.execute("SELECT current_setting('server_version_num')::int / 10000").fetchone()
        assert (MAJORS[name],) == row

    def test_force_ssl_decides_who_gets_in(self, account: Any, name: str) -> None:
        """At 1, as from birth, nobody without TLS, in the server's own words; at 0 everybody; it is dynamic."""
        with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
            account.session(name, sslmode="disable")
        account.group_statuses_after(name, lambda: edit(account, name, "immediate", **{"rds.force_ssl": "0"}))
        account.session(name, sslmode="disable").close()
        account.group_statuses_after(name, lambda: reset(account, name, "rds.force_ssl"))
        with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
            account.session(name, sslmode="disable")

    def test_a_wrong_password_is_refused(self, account: Any, name: str) -> None:
        """SCRAM, not trust."""
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            account.session(name, password="Wrong-Horse-9")

    def test_the_master_is_no_superuser(self, account: Any, name: str) -> None:
        """But a member of rds_superuser that may make roles and databases; what a superuser alone may is denied."""
        with account.session(name) as session:
            row = session.execute(
                "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication,"
                " pg_has_role('rds_superuser', 'member'), pg_has_role('pg_monitor', 'usage'),"
                " pg_has_role('pg_signal_backend', 'usage') FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
            assert (False, True, True, False, True, True, True) == row
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute("ALTER SYSTEM SET work_mem = '8MB'")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute("SELECT * FROM pg_authid")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute("COPY pg_class TO '/tmp/x'")

    def test_it_can_be_told_from_stock_postgresql(self, account: Any, name: str) -> None:
        """rds.superuser_variables and rds.extensions can be read, rdsadmin and its database are there and shut."""
        assert "session_replication_role" == account.show(name, "rds.superuser_variables")
        assert "plpgsql,vector" == account.show(name, "rds.extensions")
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            account.session(name, dbname="rdsadmin")

    def test_the_master_makes_what_a_migration_needs(self, account: Any, name: str) -> None:
        """A role granted to itself, a database owned by it, an untrusted extension in it, replica role on and off."""
        with account.session(name) as session:
            session.execute("CREATE ROLE app LOGIN")
            session.execute("GRANT app TO CURRENT_USER WITH SET TRUE, INHERIT TRUE")
            session.execute("CREATE DATABASE shop OWNER app TEMPLATE template0")
        with account.session(name, dbname="shop") as session:
            session.execute("CREATE EXTENSION vector")
            session.execute("SET session_replication_role = replica")
            row = session.execute("SELECT '[1,2]'::vector <-> '[1,4]', current_setting('wal_level')").fetchone()
        assert (2.0, "replica") == row
        with account.session(name) as session:
            session.execute("DROP DATABASE shop")
            session.execute("DROP ROLE app")

    def test_a_crash_loses_nothing_that_was_committed(self, account: Any, name: str) -> None:
        """Killed as by a power cut, the server recovers behind the same port."""
        with account.session(name) as session:
            session.execute("CREATE TABLE kept AS SELECT 1 AS n")
        account.lab_door(f"instances/{name}/crash", {})
        with account.session(name) as session:
            assert (1,) == session.execute("SELECT n FROM kept").fetchone()
            session.execute("DROP TABLE kept")

    def test_the_network_can_be_cut(self, account: Any, name: str) -> None:
        """At once, or after so many bytes; whoever connects again is let in."""
        for how, body in (("cut", {}), ("cut-after", {"bytes": 10_000})):
            session = account.session(name)
            account.lab_door(f"instances/{name}/network/{how}", body)
            with pytest.raises(psycopg.OperationalError):
                session.execute("SELECT repeat('x', 100000)")
            session.close()
        account.session(name).close()

    def test_every_postmaster_is_on_record_while_it_runs(self, account: Any, name: str) -> None:
        """So that whoever cleans up after a dead lab can end it."""
        recorded = processes.recorded(account.lab.site.layout.run)
        postmaster = Path(account.shown(name)["directory"], "data", "postmaster.pid").read_text().split()[0]
        assert int(postmaster) == recorded[f"rds-us-east-1-{name}"].pid


class TestParameters:
    def test_the_group_of_birth_counts_from_the_first_start(self, account: Any, name: str) -> None:
        """Its dynamic and static values, RDS's own, and formulas for the class; what was not afforded is reported."""
        shown = ("maintenance_work_mem", "max_locks_per_transaction", "max_wal_size", "timezone", "shared_buffers")
        assert ["256MB", "128", "2GB", "UTC", "128MB"] == [account.show(name, one) for one in shown]
        assert {"shared_buffers", "max_connections"} <= account.shown(name)["not_afforded"].keys()

    def test_a_dynamic_value_counts_at_once(self, account: Any, name: str) -> None:
        """While it is carried out the group is applying; then every new session has it, and a reset takes it back."""
        statuses = account.group_statuses_after(
            name, lambda: edit(account, name, "immediate", checkpoint_timeout="1800", autovacuum="0")
        )
        assert ["applying", "in-sync"] == statuses
        assert ("30min", "off") == (account.show(name, "checkpoint_timeout"), account.show(name, "autovacuum"))
        account.group_statuses_after(name, lambda: reset(account, name, "checkpoint_timeout", "autovacuum"))
        assert ("5min", "on") == (account.show(name, "checkpoint_timeout"), account.show(name, "autovacuum"))

    def test_a_static_value_waits_for_the_reboot(self, account: Any, name: str) -> None:
        """Until then the old one counts and the group is pending-reboot; a reboot ends every session."""
        statuses = account.group_statuses_after(name, lambda: edit(account, name, max_prepared_transactions="7"))
        assert ["applying", "pending-reboot"] == statuses
        assert ("pending-reboot", "0") == (
            apply_status(account.instance(name)),
            account.show(name, "max_prepared_transactions"),
        )
        session = account.session(name)
        reboot = lambda: account.rds.reboot_db_instance(DBInstanceIdentifier=name)  # noqa: E731
        assert ["rebooting", "available"] == account.statuses_after(name, reboot)
        assert ("in-sync", "7") == (
            apply_status(account.instance(name)),
            account.show(name, "max_prepared_transactions"),
        )
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
        session.close()
        events = account.rds.describe_events(SourceType="db-instance", SourceIdentifier=name)["Events"]
        assert ["DB instance shutdown", "DB instance restarted"] == [
            one["Message"] for one in events if "availability" in one["EventCategories"]
        ][-2:]
        account.group_statuses_after(
            name, lambda: reset(account, name, "max_prepared_transactions", method="pending-reboot")
        )
        account.statuses_after(name, reboot)

    def test_a_dynamic_value_can_be_asked_to_wait(self, account: Any, name: str) -> None:
        """With the method pending-reboot even a dynamic value does not count before a reboot."""
        statuses = account.group_statuses_after(name, lambda: edit(account, name, work_mem="9999"))
        assert ["applying", "pending-reboot"] == statuses
        assert "4MB" == account.show(name, "work_mem")
        assert ["applying", "in-sync"] == account.group_statuses_after(name, lambda: reset(account, name, "work_mem"))

    def test_another_group_waits_for_a_reboot_whole(self, account: Any, spare: str, refused: Refused) -> None:
        """Even its dynamic values; a group in use cannot be deleted, and one of another family not be attached."""
        rds = account.rds
        new_group(account, "other", "postgres18")
        new_group(account, "foreign", "postgres16")
        edit(account, "other", "immediate", work_mem="8192")
        modify = rds.modify_db_instance
        assert COMBINATION == refused(modify, DBInstanceIdentifier=spare, DBParameterGroupName="foreign")
        attach = lambda: modify(DBInstanceIdentifier=spare, DBParameterGroupName="other")  # noqa: E731
        assert ["modifying", "available"] == account.statuses_after(spare, attach)
        assert ("pending-reboot", "4MB") == (apply_status(account.instance(spare)), account.show(spare, "work_mem"))
        assert ("InvalidDBParameterGroupState", 400) == refused(
            rds.delete_db_parameter_group, DBParameterGroupName="other"
        )
        account.statuses_after(spare, lambda: rds.reboot_db_instance(DBInstanceIdentifier=spare))
        assert ("in-sync", "8MB") == (apply_status(account.instance(spare)), account.show(spare, "work_mem"))

    def test_values_that_keep_the_server_from_starting_are_a_status(self, account: Any, fresh: str) -> None:
        """incompatible-parameters, and nobody gets in; with the values reset and a reboot, all is well."""
        rds = account.rds
        new_group(account, "unfit", "postgres18")
        account.order(fresh, DBParameterGroupName="unfit")
        account.available(fresh)
        # Fewer connections than are reserved: each value is allowed, both together are not.
        edit(account, "unfit", max_connections="6", reserved_connections="10")
        reboot = lambda: rds.reboot_db_instance(DBInstanceIdentifier=fresh)  # noqa: E731
        account.statuses_after(fresh, reboot, last="incompatible-parameters")
        with pytest.raises(psycopg.OperationalError):
            account.session(fresh)
        rds.reset_db_parameter_group(DBParameterGroupName="unfit", ResetAllParameters=True)
        account.statuses_after(fresh, reboot)
        account.session(fresh).close()


class TestLife:
    def test_creating_takes_time_and_shows_no_endpoint(self, account: Any, fresh: str, refused: Refused) -> None:
        """creating, backing-up, available, in this order; busy until then; the endpoint only at the end."""
        answer = account.order(fresh, BackupRetentionPeriod=1)
        assert ("creating", False) == (answer["DBInstanceStatus"], "Endpoint" in answer)
        request = {"DBInstanceIdentifier": fresh}
        assert BUSY == refused(account.rds.modify_db_instance, MultiAZ=True, **request)
        assert BUSY == refused(account.rds.reboot_db_instance, **request)
        assert BUSY == refused(account.rds.create_db_snapshot, DBSnapshotIdentifier="s", **request)
        assert BUSY == refused(account.rds.delete_db_instance, SkipFinalSnapshot=True, **request)
        assert "127.0.0.1" == account.available(fresh)["Endpoint"]["Address"]
        assert ["creating", "backing-up", "available"] == account.shown(fresh)["statuses"]
        events = account.rds.describe_events(SourceType="db-instance", SourceIdentifier=fresh)["Events"]
        assert ["DB instance created", "Backing up DB instance", "Finished DB Instance backup"] == [
            one["Message"] for one in events[-3:]
        ]

    def test_what_was_ordered_is_what_is_described(self, account: Any, fresh: str) -> None:
        """Network, encryption, tags, authority, life cycle and protection come back as asked for."""
        ec2 = account.client("ec2")
        subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"][:2]]
        group = ec2.create_security_group(GroupName="db", Description="d")["GroupId"]
        account.rds.create_db_subnet_group(DBSubnetGroupName="pair", DBSubnetGroupDescription="d", SubnetIds=subnets)
        asked = {
            "AllocatedStorage": 400,
            "StorageEncrypted": True,
            "DeletionProtection": True,
            "PubliclyAccessible": True,
            "MultiAZ": True,
            "CACertificateIdentifier": "rds-ca-ecc384-g1",
            "EngineLifecycleSupport": "open-source-rds-extended-support-disabled",
        }
        tags = [{"Key": "run", "Value": "7"}]
        account.order(
            fresh, EngineVersion="16", VpcSecurityGroupIds=[group], DBSubnetGroupName="pair", Tags=tags, **asked
        )
        found = account.available(fresh)
        assert asked == {key: found[key] for key in asked}
        assert (12000, 500, "postgresql-license", "rds-ca-ecc384-g1") == (
            found["Iops"],
            found["StorageThroughput"],
            found["LicenseModel"],
            found["CertificateDetails"]["CAIdentifier"],
        )
        assert ("pair", [group]) == (
            found["DBSubnetGroup"]["DBSubnetGroupName"],
            [one["VpcSecurityGroupId"] for one in found["VpcSecurityGroups"]],
        )
        assert found["EngineVersion"].startswith("16.")
        assert tags == account.rds.list_tags_for_resource(ResourceName=found["DBInstanceArn"])["TagList"]

    def test_a_name_is_taken_once(self, account: Any, instances: dict[str, Any], refused: Refused) -> None:
        """The second order fails, and the first instance is untouched."""
        assert ("DBInstanceAlreadyExists", 400) == refused(account.order, name="eighteen")
        assert instances["eighteen"]["DbiResourceId"] == account.instance("eighteen")["DbiResourceId"]

    def test_a_creation_can_fail(self, account: Any, fresh: str) -> None:
        """The knob makes the next instance end in another status than available, and it can be deleted."""
        account.lab_door("knobs", {"next_instance_ends_as": "incompatible-network"})
        account.order(fresh)
        account.until(fresh, lambda one: one["DBInstanceStatus"] == "incompatible-network")
        account.rds.delete_db_instance(DBInstanceIdentifier=fresh, SkipFinalSnapshot=True)
        account.gone(fresh)

    def test_a_modification_starts_later_than_the_call_returns(self, account: Any, spare: str) -> None:
        """Available at first, with the change pending; then modifying; then available with nothing pending."""
        answers = []
        statuses = account.statuses_after(
            spare,
            lambda: answers.append(
                account.rds.modify_db_instance(
                    DBInstanceIdentifier=spare, MultiAZ=True, BackupRetentionPeriod=7, ApplyImmediately=True
                )["DBInstance"]
            ),
        )
        assert ["modifying", "modifying", "backing-up", "available"] == statuses
        assert [("available", {"MultiAZ": True, "BackupRetentionPeriod": 7})] == [
            (one["DBInstanceStatus"], one["PendingModifiedValues"]) for one in answers
        ]
        found = account.instance(spare)
        assert (True, 7, {}) == (found["MultiAZ"], found["BackupRetentionPeriod"], found["PendingModifiedValues"])
        (backup,) = account.rds.describe_db_snapshots(DBInstanceIdentifier=spare)["DBSnapshots"]
        assert ("automated", "available") == (backup["SnapshotType"], backup["Status"])

    def test_without_apply_immediately_it_waits_for_the_window(self, account: Any, spare: str) -> None:
        """A class change stays pending while protection counts at once; in the window it is made, with a restart."""
        account.rds.modify_db_instance(
            DBInstanceIdentifier=spare, DBInstanceClass="db.r7g.xlarge", CopyTagsToSnapshot=True
        )
        found = account.instance(spare)
        assert (True, "db.m7g.large", {"DBInstanceClass": "db.r7g.xlarge"}) == (
            found["CopyTagsToSnapshot"],
            found["DBInstanceClass"],
            found["PendingModifiedValues"],
        )
        before = account.show(spare, "effective_cache_size")
        account.statuses_after(spare, lambda: account.lab_door(f"instances/{spare}/maintenance", {}))
        assert "db.r7g.xlarge" == account.instance(spare)["DBInstanceClass"]
        assert before != account.show(spare, "effective_cache_size")

    def test_what_the_lab_cannot_change_is_refused(self, account: Any, spare: str, refused: Refused) -> None:
        """A major upgrade, and a change that nobody has built: never a silent yes."""
        modify = account.rds.modify_db_instance
        assert COMBINATION == refused(modify, DBInstanceIdentifier=spare, EngineVersion="16.14")
        assert COMBINATION == refused(modify, DBInstanceIdentifier=spare, NewDBInstanceIdentifier="other")

    def test_storage_only_grows(self, account: Any, spare: str, refused: Refused) -> None:
        """Less, or less than a tenth more, is refused; after growing it optimizes, and includes more IOPS."""
        modify, request = account.rds.modify_db_instance, {"DBInstanceIdentifier": spare, "ApplyImmediately": True}
        assert COMBINATION == refused(modify, AllocatedStorage=50, **request)
        assert COMBINATION == refused(modify, AllocatedStorage=105, **request)
        statuses = account.statuses_after(spare, lambda: modify(AllocatedStorage=400, **request))
        assert ["modifying", "storage-optimization", "available"] == statuses
        found = account.instance(spare)
        assert (400, 12000) == (found["AllocatedStorage"], found["Iops"])

    def test_a_new_master_password_replaces_the_old(self, account: Any, spare: str) -> None:
        """It is shown masked while pending; then only the new one opens."""

        def change(password: str) -> list[str]:
            modify = account.rds.modify_db_instance
            answers: list[Any] = []
            statuses = account.statuses_after(
                spare, lambda: answers.append(modify(DBInstanceIdentifier=spare, MasterUserPassword=password))
            )
            assert {"MasterUserPassword": "****"} == answers[0]["DBInstance"]["PendingModifiedValues"]
            return statuses

        assert ["resetting-master-credentials", "available"] == change("Other-Horse-10")
        account.session(spare, password="Other-Horse-10").close()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            account.session(spare)
        change("Correct-Horse-9")
        account.session(spare).close()

    def test_a_managed_password_lies_in_a_secret(self, account: Any, fresh: str, refused: Refused) -> None:
        """The secret holds the real user and a password that opens the server; such an instance has no replica."""
        account.order(fresh, MasterUserPassword=None, ManageMasterUserPassword=True, BackupRetentionPeriod=1)
        arn = account.available(fresh)["MasterUserSecret"]["SecretArn"]
        secret = json.loads(account.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
        account.session(fresh, user=secret["username"], password=secret["password"]).close()
        assert ("InvalidParameterValue", 400) == refused(
            account.rds.create_db_instance_read_replica,
            DBInstanceIdentifier="copy",
            SourceDBInstanceIdentifier=fresh,
        )

    def test_a_stopped_instance_starts_again_behind_the_same_port(self, account: Any, name: str) -> None:
        """stopping, stopped, nobody gets in; starting, available, the same endpoint."""
        endpoint = account.instance(name)["Endpoint"]
        stop = lambda: account.rds.stop_db_instance(DBInstanceIdentifier=name)  # noqa: E731
        assert ["stopping", "stopped"] == account.statuses_after(name, stop, last="stopped")
        with pytest.raises(psycopg.OperationalError):
            account.session(name, **{"host": endpoint["Address"], "port": endpoint["Port"]})
        start = lambda: account.rds.start_db_instance(DBInstanceIdentifier=name)  # noqa: E731
        assert ["starting", "available"] == account.statuses_after(name, start)
        assert endpoint == account.instance(name)["Endpoint"]
        account.session(name).close()


class TestLeaving:
    def test_deletion_protection_protects(self, account: Any, fresh: str, refused: Refused) -> None:
        """Deleting is refused until it is taken off, then without a word on the final snapshot; no thread stays."""
        account.order(fresh, DeletionProtection=True)
        threads = {f"rds-{fresh}", f"relay-{account.available(fresh)['Endpoint']['Port']}"}
        delete = account.rds.delete_db_instance
        assert COMBINATION == refused(delete, DBInstanceIdentifier=fresh, SkipFinalSnapshot=True)
        account.rds.modify_db_instance(DBInstanceIdentifier=fresh, DeletionProtection=False)
        assert COMBINATION == refused(delete, DBInstanceIdentifier=fresh)
        assert "available" == account.instance(fresh)["DBInstanceStatus"]
        assert threads == threads & {one.name for one in threading.enumerate()}
        delete(DBInstanceIdentifier=fresh, SkipFinalSnapshot=True)
        account.gone(fresh)
        for one in threading.enumerate():
            if one.name in threads:
                one.join(5)
        assert set() == threads & {one.name for one in threading.enumerate()}

    def test_a_final_snapshot_brings_every_row_back(self, account: Any, fresh: str) -> None:
        """Deleting takes time and leaves a snapshot and no process; restored, the instance has rows and password."""
        rds = account.rds
        account.order(fresh)
        account.available(fresh)
        with account.session(fresh) as session:
            session.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        directory = Path(account.shown(fresh)["directory"])
        rds.delete_db_instance(DBInstanceIdentifier=fresh, FinalDBSnapshotIdentifier="last")
        assert "deleting" == account.instance(fresh)["DBInstanceStatus"]
        account.gone(fresh)
        assert not directory.exists()
        assert "rds-us-east-1-fresh" not in processes.recorded(account.lab.site.layout.run)
        (snapshot,) = rds.describe_db_snapshots(DBSnapshotIdentifier="last")["DBSnapshots"]
        assert ("available", "manual") == (snapshot["Status"], snapshot["SnapshotType"])
        rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier=fresh, DBSnapshotIdentifier="last")
        account.available(fresh)
        with account.session(fresh) as session:
            assert (1000,) == session.execute("SELECT count(*) FROM kept").fetchone()
        rds.delete_db_snapshot(DBSnapshotIdentifier="last")

    def test_a_manual_snapshot_takes_time(self, account: Any, instances: dict[str, Any], refused: Refused) -> None:
        """creating, then available; meanwhile the instance backs up; its name is taken once."""
        rds, made = account.rds, []
        request = {"DBInstanceIdentifier": "eighteen", "DBSnapshotIdentifier": "by-hand"}
        statuses = account.statuses_after(
            "eighteen", lambda: made.append(rds.create_db_snapshot(**request)["DBSnapshot"]["Status"])
        )
        assert (["creating"], ["backing-up", "available"]) == (made, statuses)
        (snapshot,) = rds.describe_db_snapshots(DBSnapshotIdentifier="by-hand")["DBSnapshots"]
        assert ("available", 100) == (snapshot["Status"], snapshot["PercentProgress"])
        assert ("DBSnapshotAlreadyExists", 400) == refused(rds.create_db_snapshot, **request)
        rds.delete_db_snapshot(DBSnapshotIdentifier="by-hand")


class TestReplica:
    def test_a_replica_streams_and_can_be_promoted(
        self, account: Any, instances: dict[str, Any], refused: Refused
    ) -> None:
        """It sees the primary's rows and refuses writes; promoted it writes, and is nobody's replica."""
        rds = account.rds
        with account.session("eighteen") as session:
            session.execute("CREATE TABLE streamed AS SELECT 7 AS n")
        request = {"DBInstanceIdentifier": "copy", "SourceDBInstanceIdentifier": "eighteen"}
        assert COMBINATION == refused(rds.create_db_instance_read_replica, DBParameterGroupName="eighteen", **request)
        rds.create_db_instance_read_replica(DBInstanceClass="db.t4g.micro", **request)
        assert "eighteen" == account.available("copy")["ReadReplicaSourceDBInstanceIdentifier"]
        with account.session("copy") as session:
            assert (7,) == session.execute("SELECT n FROM streamed").fetchone()
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                session.execute("CREATE TABLE refused (n int)")
        assert ["copy"] == account.instance("eighteen")["ReadReplicaDBInstanceIdentifiers"]
        promote = lambda: rds.promote_read_replica(DBInstanceIdentifier="copy")  # noqa: E731
        assert "modifying" == account.statuses_after("copy", promote)[0]
        assert "ReadReplicaSourceDBInstanceIdentifier" not in account.instance("copy")
        with account.session("copy") as session:
            session.execute("CREATE TABLE mine (n int)")
        rds.delete_db_instance(DBInstanceIdentifier="copy", SkipFinalSnapshot=True)
        account.gone("copy")
        with account.session("eighteen") as session:
            session.execute("DROP TABLE streamed")

    def test_a_deleted_replica_leaves_no_slot(self, account: Any, instances: dict[str, Any]) -> None:
        """A slot that nobody reads would fill the primary's disk."""
        rds = account.rds
        rds.create_db_instance_read_replica(DBInstanceIdentifier="copy", SourceDBInstanceIdentifier="eighteen")
        account.available("copy")
        with account.session("eighteen") as session:
            slots = "SELECT slot_name FROM pg_replication_slots"
            assert [("rds_us_east_1_db_copy",)] == session.execute(slots).fetchall()
            rds.delete_db_instance(DBInstanceIdentifier="copy", SkipFinalSnapshot=True)
            account.gone("copy")
            assert [] == session.execute(slots).fetchall()

    def test_a_primary_without_backups_has_no_replica(self, account: Any, fresh: str, refused: Refused) -> None:
        """The retention must be above 0 first."""
        account.order(fresh)
        account.available(fresh)
        request = {"DBInstanceIdentifier": "copy", "SourceDBInstanceIdentifier": fresh}
        assert BUSY == refused(account.rds.create_db_instance_read_replica, **request)
