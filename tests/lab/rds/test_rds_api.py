"""Calls that need no server behind an instance: refusals, parameter groups, offers, keys, knobs."""

import time
import urllib.error
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pgcutover.errors import UsageError
from pgcutover.lab.rds import ASSUMPTIONS, READ_ONLY_KEY, RdsLab

Refused = Callable[..., tuple[str, int]]
Knobs = Callable[..., Any]
INVALID, COMBINATION = ("InvalidParameterValue", 400), ("InvalidParameterCombination", 400)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"MasterUserPassword": "short-1"}, INVALID),
        ({"MasterUserPassword": "x" * 129}, INVALID),
        ({"MasterUserPassword": "with a space"}, INVALID),
        ({"MasterUserPassword": "with/slash"}, INVALID),
        ({"MasterUserPassword": "with'quote"}, INVALID),
        ({"MasterUserPassword": "with@at-sign"}, INVALID),
        ({"MasterUserPassword": 'with"quotes'}, INVALID),
        ({"MasterUserPassword": "umlaut-ä-ö-ü"}, INVALID),
        ({"MasterUserPassword": None}, INVALID),
        ({"ManageMasterUserPassword": True}, COMBINATION),
        ({"MasterUsername": "rdsadmin"}, INVALID),
        ({"MasterUsername": "pg_me"}, INVALID),
        ({"MasterUsername": "1st"}, INVALID),
        ({"DBInstanceClass": "db.zz99.mega"}, COMBINATION),
        ({"DBInstanceClass": "m7g.large"}, INVALID),
        ({"EngineVersion": "99.1"}, COMBINATION),
        ({"Engine": "mysql"}, INVALID),
        ({"AllocatedStorage": 19}, INVALID),
        ({"AllocatedStorage": None}, INVALID),
        ({"AllocatedStorage": 399, "Iops": 12000}, COMBINATION),
        ({"AllocatedStorage": 100, "StorageThroughput": 500}, COMBINATION),
        ({"AllocatedStorage": 400, "Iops": 100_000}, COMBINATION),
        ({"StorageType": "io2", "AllocatedStorage": 100}, COMBINATION),
        ({"StorageType": "tape"}, INVALID),
        ({"MaxAllocatedStorage": 20}, COMBINATION),
        ({"BackupRetentionPeriod": 36}, INVALID),
        ({"DBName": "1db"}, INVALID),
        ({"DBParameterGroupName": "nobody-made-it"}, ("DBParameterGroupNotFound", 404)),
        ({"DBParameterGroupName": "default.postgres16"}, COMBINATION),
        ({"DBSubnetGroupName": "nobody-made-it"}, ("DBSubnetGroupNotFoundFault", 404)),
        ({"VpcSecurityGroupIds": ["sg-00000000000000000"]}, INVALID),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else "",
)
def test_an_order_that_rds_refuses_is_refused(
    account: Any, refused: Refused, changes: dict[str, Any], expected: tuple[str, int]
) -> None:
    """The error has RDS's code, and no instance comes into being."""
    assert expected == refused(account.order, name="never", **changes)
    assert [] == account.rds.describe_db_instances()["DBInstances"]


@pytest.mark.parametrize("name", ["1st", "two--hyphens", "ends-", "x" * 64, "under_score"])
def test_an_identifier_is_letters_digits_and_single_hyphens(account: Any, refused: Refused, name: str) -> None:
    """Anything else is refused before anything is made."""
    assert INVALID == refused(account.order, name=name)


def test_what_does_not_exist_is_not_found(account: Any, refused: Refused) -> None:
    """Instances, snapshots, parameter groups and subnet groups each have their own code, all with status 404."""
    rds = account.rds
    assert ("DBInstanceNotFound", 404) == refused(rds.describe_db_instances, DBInstanceIdentifier="no")
    assert ("DBInstanceNotFound", 404) == refused(rds.modify_db_instance, DBInstanceIdentifier="no")
    assert ("DBSnapshotNotFound", 404) == refused(rds.describe_db_snapshots, DBSnapshotIdentifier="no")
    assert ("DBParameterGroupNotFound", 404) == refused(rds.describe_db_parameters, DBParameterGroupName="no")
    assert ("DBParameterGroupNotFound", 404) == refused(rds.describe_db_parameter_groups, DBParameterGroupName="no")
    assert ("DBSubnetGroupNotFoundFault", 404) == refused(rds.describe_db_subnet_groups, DBSubnetGroupName="no")


def test_a_quota_is_a_limit(account: Any, refused: Refused, knobs: Knobs) -> None:
    """Above the quota an order fails with InstanceQuotaExceeded, and the account's attributes show the limit."""
    knobs(instance_quota=0)
    assert ("InstanceQuotaExceeded", 400) == refused(account.order, name="one-too-many")
    quotas = {q["AccountQuotaName"]: q for q in account.rds.describe_account_attributes()["AccountQuotas"]}
    assert (0, 0) == (quotas["DBInstances"]["Used"], quotas["DBInstances"]["Max"])


class TestParameterGroups:
    @pytest.fixture
    def group(self, account: Any) -> Any:
        account.rds.create_db_parameter_group(
            DBParameterGroupName="mine", DBParameterGroupFamily="postgres16", Description="of this test"
        )
        yield "mine"
        account.rds.delete_db_parameter_group(DBParameterGroupName="mine")

    def edit(self, account: Any, *changes: tuple[str, str, str]) -> None:
        account.rds.modify_db_parameter_group(
            DBParameterGroupName="mine",
            Parameters=[{"ParameterName": n, "ParameterValue": v, "ApplyMethod": m} for n, v, m in changes],
        )

    def rows(self, account: Any, **filters: str) -> dict[str, dict[str, Any]]:
        pages = account.rds.get_paginator("describe_db_parameters").paginate(DBParameterGroupName="mine", **filters)
        return {row["ParameterName"]: row for page in pages for row in page["Parameters"]}

    def test_names_and_families_are_checked(self, account: Any, group: str, refused: Refused) -> None:
        """A name is taken once, and a family that no server here can run is refused."""
        create = account.rds.create_db_parameter_group
        rest = {"DBParameterGroupFamily": "postgres16", "Description": "d"}
        assert ("DBParameterGroupAlreadyExists", 400) == refused(create, DBParameterGroupName="mine", **rest)
        assert INVALID == refused(create, DBParameterGroupName="-bad", **rest)
        assert INVALID == refused(
            create, DBParameterGroupName="g", DBParameterGroupFamily="postgres99", Description="d"
        )

    def test_parameters_are_the_real_servers(self, account: Any, group: str) -> None:
        """Hundreds of rows in pages, with type, range, moment of effect and whether they may be changed."""
        rows = self.rows(account)
        assert len(rows) > 250
        assert "wal_level" not in rows
        picked = {
            name: (row["ApplyType"], row["DataType"], row["IsModifiable"], row.get("AllowedValues"), row["Source"])
            for name, row in rows.items()
            if name in ("work_mem", "shared_buffers", "fsync", "synchronous_commit", "autovacuum", "rds.force_ssl")
        }
        assert {
            "autovacuum": ("dynamic", "boolean", True, "0,1", "engine-default"),
            "fsync": ("dynamic", "boolean", False, "0,1", "engine-default"),
            "rds.force_ssl": ("dynamic", "boolean", True, "0,1", "system"),
            "shared_buffers": ("static", "integer", True, "16-1073741823", "system"),
            "synchronous_commit": (
                "dynamic",
                "string",
                True,
                "local,remote_write,remote_apply,on,off",
                "engine-default",
            ),
            "work_mem": ("dynamic", "integer", True, "64-2147483647", "engine-default"),
        } == picked

    def test_a_page_holds_100_rows_and_names_the_next(self, account: Any, group: str) -> None:
        """Without a paginator only the first hundred come."""
        page = account.rds.describe_db_parameters(DBParameterGroupName="mine")
        assert (100, True) == (len(page["Parameters"]), "Marker" in page)

    def test_an_edit_shows_as_the_users(self, account: Any, group: str) -> None:
        """Source=user lists exactly what was set, and a reset takes it away again."""
        self.edit(account, ("work_mem", "8192", "immediate"), ("max_connections", "LEAST(300,400)", "pending-reboot"))
        seen = {name: row["ParameterValue"] for name, row in self.rows(account, Source="user").items()}
        assert {"work_mem": "8192", "max_connections": "LEAST(300,400)"} == seen
        account.rds.reset_db_parameter_group(
            DBParameterGroupName="mine",
            Parameters=[{"ParameterName": "work_mem", "ApplyMethod": "immediate"}],
        )
        assert ["max_connections"] == list(self.rows(account, Source="user"))
        account.rds.reset_db_parameter_group(DBParameterGroupName="mine", ResetAllParameters=True)
        assert {} == self.rows(account, Source="user")

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            (("work_mem", "1GB", "immediate"), INVALID),
            (("work_mem", "63", "immediate"), INVALID),
            (("work_mem", "{Nonsense/2}", "immediate"), INVALID),
            (("autovacuum", "off", "immediate"), INVALID),
            (("synchronous_commit", "maybe", "immediate"), INVALID),
            (("max_connections", "5", "pending-reboot"), INVALID),
            (("no_such_parameter", "1", "immediate"), INVALID),
            (("fsync", "0", "immediate"), INVALID),
            (("wal_level", "logical", "pending-reboot"), INVALID),
            (("shared_preload_libraries", "pg_stat_statements,pg_partman_bgw", "pending-reboot"), INVALID),
            (("shared_buffers", "16384", "immediate"), COMBINATION),
        ],
        ids=lambda value: value[0] if len(value) == 3 else "",
    )
    def test_an_edit_that_rds_refuses_changes_nothing(
        self, account: Any, group: str, refused: Refused, change: tuple[str, str, str], expected: tuple[str, int]
    ) -> None:
        """Units, ranges, unknown names, fixed ones and `immediate` on static ones; nor does the good half count."""
        assert expected == refused(lambda: self.edit(account, ("jit", "0", "immediate"), change))
        assert {} == self.rows(account, Source="user")

    def test_at_most_20_parameters_are_edited_at_once(self, account: Any, group: str, refused: Refused) -> None:
        """The twenty-first makes the call fail."""
        switches = [
            name
            for name, row in self.rows(account).items()
            if row["ApplyType"] == "dynamic" and row["IsModifiable"] and row["DataType"] == "boolean"
        ]
        changes = [(name, "0", "immediate") for name in switches[:21]]
        assert 21 == len(changes)
        assert INVALID == refused(lambda: self.edit(account, *changes))
        self.edit(account, *changes[:20])
        assert 20 == len(self.rows(account, Source="user"))

    def test_a_default_group_cannot_be_edited(self, account: Any, refused: Refused) -> None:
        """default.postgres16 is there without anybody making it, and stays as it is."""
        name = "default.postgres16"
        assert 1 == len(account.rds.describe_db_parameter_groups(DBParameterGroupName=name)["DBParameterGroups"])
        change = {"ParameterName": "jit", "ParameterValue": "0", "ApplyMethod": "immediate"}
        assert ("InvalidDBParameterGroupState", 400) == refused(
            account.rds.modify_db_parameter_group, DBParameterGroupName=name, Parameters=[change]
        )

    def test_a_copy_holds_the_same_values(self, account: Any, group: str) -> None:
        """CopyDBParameterGroup takes values along, and the copy is a group of its own."""
        self.edit(account, ("jit", "0", "immediate"))
        account.rds.copy_db_parameter_group(
            SourceDBParameterGroupIdentifier="mine",
            TargetDBParameterGroupIdentifier="copy",
            TargetDBParameterGroupDescription="d",
        )
        account.rds.reset_db_parameter_group(DBParameterGroupName="mine", ResetAllParameters=True)
        rows = account.rds.describe_db_parameters(DBParameterGroupName="copy", Source="user")["Parameters"]
        assert ["jit"] == [row["ParameterName"] for row in rows]
        account.rds.delete_db_parameter_group(DBParameterGroupName="copy")


def test_engine_defaults_come_in_pages(account: Any) -> None:
    """Every page is of the family asked for, and together they are the whole family."""
    pages = account.rds.get_paginator("describe_engine_default_parameters").paginate(
        DBParameterGroupFamily="postgres18"
    )
    rows = {row["ParameterName"]: row for page in pages for row in page["EngineDefaults"]["Parameters"]}
    assert "LEAST({DBInstanceClassMemory/9531392},5000)" == rows["max_connections"]["ParameterValue"]
    assert len(rows) > 280


def test_subnet_groups_span_two_zones(account: Any, refused: Refused) -> None:
    """One zone does not cover enough, a name is taken once, and a described group has its subnets."""
    subnets = account.client("ec2").describe_subnets()["Subnets"]
    create = account.rds.create_db_subnet_group
    request = {"DBSubnetGroupName": "sg", "DBSubnetGroupDescription": "d"}
    one, two = [s["SubnetId"] for s in subnets[:1]], [s["SubnetId"] for s in subnets[:2]]
    assert ("DBSubnetGroupDoesNotCoverEnoughAZs", 400) == refused(create, SubnetIds=one, **request)
    assert two == [s["SubnetIdentifier"] for s in create(SubnetIds=two, **request)["DBSubnetGroup"]["Subnets"]]
    assert ("DBSubnetGroupAlreadyExists", 400) == refused(create, SubnetIds=two, **request)
    account.rds.delete_db_subnet_group(DBSubnetGroupName="sg")


def test_engine_versions_are_those_that_run_here(account: Any) -> None:
    """16 and 18 with their newest minor; the major alone finds it; the default is the newest."""
    versions = account.rds.describe_db_engine_versions(Engine="postgres")["DBEngineVersions"]
    assert ["postgres16", "postgres18"] == [one["DBParameterGroupFamily"] for one in versions]
    (sixteen,) = account.rds.describe_db_engine_versions(Engine="postgres", EngineVersion="16")["DBEngineVersions"]
    assert sixteen["EngineVersion"].startswith("16.")
    (newest,) = account.rds.describe_db_engine_versions(Engine="postgres", DefaultOnly=True)["DBEngineVersions"]
    assert newest["EngineVersion"].startswith("18.")


def test_every_class_of_five_families_can_be_ordered(account: Any) -> None:
    """Pages of options, one for each class and storage type; a class that is not on offer has none."""
    pages = account.rds.get_paginator("describe_orderable_db_instance_options").paginate(
        Engine="postgres", EngineVersion="18.4"
    )
    options = [one for page in pages for one in page["OrderableDBInstanceOptions"]]
    assert {"t4g", "m7g", "r7g", "m8g", "r8g"} == {one["DBInstanceClass"].split(".")[1] for one in options}
    assert {("gp3", 20), ("io2", 100)} == {(one["StorageType"], one["MinStorageSize"]) for one in options}
    none = account.rds.describe_orderable_db_instance_options(Engine="postgres", DBInstanceClass="db.m1.small")
    assert [] == none["OrderableDBInstanceOptions"]


def test_certificates_name_the_default_authority(account: Any) -> None:
    """The three authorities, and which one new instances get."""
    answer = account.rds.describe_certificates()
    names = {one["CertificateIdentifier"] for one in answer["Certificates"]}
    assert {"rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1"} == names
    assert "rds-ca-rsa2048-g1" == answer["DefaultCertificateForNewLaunches"]


def test_neighbour_services_answer(account: Any) -> None:
    """STS says who calls, EC2 has a default VPC with subnets, Secrets Manager keeps a secret."""
    assert "123456789012" == account.client("sts").get_caller_identity()["Account"]
    assert [True] == [vpc["IsDefault"] for vpc in account.client("ec2").describe_vpcs()["Vpcs"]]
    secrets = account.client("secretsmanager")
    secrets.create_secret(Name="kept", SecretString="said")
    assert "said" == secrets.get_secret_value(SecretId="kept")["SecretString"]


class TestKeys:
    @pytest.mark.parametrize(
        ("service", "call", "expected"),
        [
            ("rds", "describe_db_instances", ("InvalidClientTokenId", 403)),
            ("sts", "get_caller_identity", ("InvalidClientTokenId", 403)),
            ("ec2", "describe_vpcs", ("AuthFailure", 401)),
            ("secretsmanager", "list_secrets", ("UnrecognizedClientException", 400)),
        ],
    )
    def test_an_unknown_key_is_refused_in_each_services_words(
        self, account: Any, refused: Refused, service: str, call: str, expected: tuple[str, int]
    ) -> None:
        """A key that is not the lab's gets the code that this service gives."""
        client = account.client(service, key="AKIAIOSFODNN7EXAMPLE")
        assert expected == refused(getattr(client, call))

    @pytest.mark.parametrize(
        ("service", "call", "request_", "expected"),
        [
            ("rds", "delete_db_instance", {"DBInstanceIdentifier": "x"}, ("AccessDenied", 403)),
            ("ec2", "create_security_group", {"GroupName": "g", "Description": "d"}, ("UnauthorizedOperation", 403)),
            ("secretsmanager", "create_secret", {"Name": "n"}, ("AccessDeniedException", 400)),
            ("secretsmanager", "get_secret_value", {"SecretId": "n"}, ("AccessDeniedException", 400)),
        ],
    )
    def test_the_read_only_key_may_not_write(
        self,
        account: Any,
        refused: Refused,
        service: str,
        call: str,
        request_: dict[str, str],
        expected: tuple[str, int],
    ) -> None:
        """Writes, and reading a secret's value, are denied in each service's words."""
        assert expected == refused(getattr(account.client(service, key=READ_ONLY_KEY), call), **request_)

    def test_the_read_only_key_reads(self, account: Any) -> None:
        """Describe calls answer as for anybody."""
        assert [] == account.client("rds", key=READ_ONLY_KEY).describe_db_instances()["DBInstances"]

    def test_any_key_will_do_when_the_knob_says_so(self, account: Any, knobs: Knobs) -> None:
        """check_keys=false opens the door."""
        knobs(check_keys=False)
        assert [] == account.client("rds", key="AKIAIOSFODNN7EXAMPLE").describe_db_instances()["DBInstances"]


class TestKnobs:
    def test_the_next_call_of_an_action_fails_as_told(self, account: Any, refused: Refused, knobs: Knobs) -> None:
        """Once, with the code and status given; other actions and the call after it are not touched."""
        knobs(fail_next=[{"action": "CreateDBParameterGroup", "code": "InternalFailure", "status": 500}])
        request = {"DBParameterGroupName": "k", "DBParameterGroupFamily": "postgres18", "Description": "d"}
        assert [] == account.rds.describe_db_instances()["DBInstances"]
        assert ("InternalFailure", 500) == refused(account.rds.create_db_parameter_group, **request)
        account.rds.create_db_parameter_group(**request)
        account.rds.delete_db_parameter_group(DBParameterGroupName="k")

    def test_throttled_calls_are_counted_down(self, account: Any, refused: Refused, knobs: Knobs) -> None:
        """Two calls are throttled; a client that tries three times does not notice."""
        knobs(throttle_calls=1)
        assert ("Throttling", 400) == refused(account.rds.describe_db_instances)
        knobs(throttle_calls=2)
        assert [] == account.client("rds", tries=3).describe_db_instances()["DBInstances"]

    def test_each_service_has_its_own_word_for_too_many_calls(
        self, account: Any, refused: Refused, knobs: Knobs
    ) -> None:
        """What a client must know as one and the same."""
        knobs(throttle_calls=2)
        assert ("RequestLimitExceeded", 400) == refused(account.client("ec2").describe_vpcs)
        assert ("ThrottlingException", 400) == refused(account.client("secretsmanager").list_secrets)

    def test_a_call_of_any_kind_can_be_told_to_fail(self, account: Any, refused: Refused, knobs: Knobs) -> None:
        """Whichever comes first."""
        knobs(fail_next=[{"action": "*", "code": "InternalFailure", "status": 500}])
        assert ("InternalFailure", 500) == refused(account.rds.describe_db_instances)
        assert [] == account.rds.describe_db_instances()["DBInstances"]

    def test_a_call_can_wait_before_it_is_carried_out(self, account: Any, knobs: Knobs) -> None:
        """The client that gave up finds it done a moment later; other calls go on meanwhile."""
        knobs(stall_next=[{"action": "CreateDBParameterGroup", "seconds": 2.0}])
        hasty = account.client("rds", read_timeout=0.3)
        with pytest.raises(Exception, match=r"(?i)timed? ?out"):
            hasty.create_db_parameter_group(
                DBParameterGroupName="late", DBParameterGroupFamily="postgres18", Description="d"
            )

        def names() -> set[str]:
            found = account.rds.describe_db_parameter_groups()["DBParameterGroups"]
            return {group["DBParameterGroupName"] for group in found}

        assert "late" not in names()
        deadline = time.monotonic() + 30
        while "late" not in names():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        account.rds.delete_db_parameter_group(DBParameterGroupName="late")

    def test_a_broken_service_answers_with_html(self, account: Any, knobs: Knobs) -> None:
        """Status 500 and a page that no AWS client can parse; the next call is well again."""
        knobs(html_500_calls=1)
        with pytest.raises(Exception, match=r"(?i)500|parse"):
            account.rds.describe_db_instances()
        assert [] == account.rds.describe_db_instances()["DBInstances"]

    @pytest.mark.parametrize("how", ["status", "html", "cut"])
    def test_an_answer_can_get_lost_though_the_call_was_carried_out(self, account: Any, knobs: Knobs, how: str) -> None:
        """The client hears of a failure; the group is there; the next call is answered."""
        knobs(lose_next=[{"action": "CreateDBParameterGroup", "how": how}])
        request = {"DBParameterGroupName": how, "DBParameterGroupFamily": "postgres18", "Description": "d"}
        with pytest.raises(Exception, match=r"(?i)503|parse|result|connection|read"):
            account.rds.create_db_parameter_group(**request)
        groups = account.rds.describe_db_parameter_groups()["DBParameterGroups"]
        assert how in [group["DBParameterGroupName"] for group in groups]
        account.rds.delete_db_parameter_group(DBParameterGroupName=how)

    def test_a_knob_that_does_not_exist_is_refused(self, account: Any) -> None:
        """So a test with a typing mistake does not pass for the wrong reason."""
        with pytest.raises(urllib.error.HTTPError) as caught:
            account.lab_door("knobs", {"throtle_calls": 1})
        assert 400 == caught.value.code
        caught.value.close()


def test_the_lab_says_what_it_takes_for_granted(account: Any) -> None:
    """Every assumption by its number."""
    assert dict(ASSUMPTIONS) == account.lab_door("assumptions")


def test_a_call_that_nobody_signed_gets_no_answer(account: Any) -> None:
    """moto's own reset among them: it would forget servers that run."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        account.lab_door("../../moto-api/reset", {})
    assert 404 == caught.value.code
    caught.value.close()


def test_one_process_runs_one_lab(account: Any) -> None:
    """moto keeps its records per process, so a second lab is refused and the first goes on."""
    site = account.lab.site
    second = RdsLab(site.layout, site.ca, speed=1)
    with pytest.raises(UsageError):
        second.start()
    second.stop()
    assert [] == account.rds.describe_db_instances()["DBInstances"]


def test_errors_carry_the_words_of_rds(account: Any) -> None:
    """The message names what was wrong, as public logs show it."""
    with pytest.raises(ClientError, match="because it is shorter than 8 characters"):
        account.order("never", MasterUserPassword="short")
