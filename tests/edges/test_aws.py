"""What we ask of AWS, asked of a local RDS with real servers: made once, ours only, and every refusal said clearly."""

import contextlib
import dataclasses
import socket
from collections.abc import Iterator

import pytest

import rds_world
from pgcutover.edges.aws import Aws
from pgcutover.errors import AwsError, ConfigError, PgcutoverError, QuotaError, RefusedError, RightsError
from pgcutover.facts.rds import InstanceChange, InstanceSpec, Logins
from pgcutover.lab.rds import READ_ONLY_KEY
from rds_world import Account

TAGS = {"pgcutover:environment": "acme/production", "pgcutover:run": "1"}
OTHERS = {"pgcutover:environment": "acme/staging"}
LOGINS = Logins(master="acme_master", app="acme_app", credentials=("readonly",))


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with rds_world.account() as made:
        yield made


@pytest.fixture(scope="module")
def aws(account: Account) -> Aws:
    return account.aws


@pytest.fixture(autouse=True)
def harmless(account: Account) -> Iterator[None]:
    """No test leaves the lab misbehaving."""
    yield
    account.turn(
        html_500_calls=0,
        throttle_calls=0,
        instance_quota=40,
        fail_next=[],
        lose_next=[],
        stall_next=[],
        next_instance_ends_as=None,
    )


@pytest.fixture(scope="module")
def spec(aws: Aws) -> InstanceSpec:
    """What an instance needs around it, made once."""
    network = aws.network.survey()
    aws.network.ensure_security_group("acme-rds", network.vpc_id, ["0.0.0.0/0"], TAGS)
    aws.network.ensure_subnet_group("acme-rds", [s.id for s in network.subnets], TAGS)
    aws.secrets.ensure("pgcutover/acme", LOGINS, TAGS)
    aws.parameters.ensure_group("acme-postgres16", "postgres16", [("rds.force_ssl", "1")], TAGS)
    return InstanceSpec(
        identifier="acme",
        instance_class="db.t4g.medium",
        engine_version="16.14",
        storage_gb=20,
        storage_type="gp3",
        master_user="acme_master",
        secret="pgcutover/acme",
        subnet_group="acme-rds",
        security_group="acme-rds",
        vpc_id=network.vpc_id,
        parameter_group="acme-postgres16",
        public=True,
        tags=tuple(TAGS.items()),
    )


def test_the_account_says_who_we_are(aws: Aws) -> None:
    """The cheapest proof that the credentials work."""
    account, arn = aws.identity()
    assert "123456789012" == account
    assert arn.startswith("arn:aws:sts::123456789012:")


def test_a_security_group_is_made_once_and_opened_to_what_is_asked(aws: Aws) -> None:
    """Asking again changes nothing; more addresses are added; IPv6 is allowed; a person's own rule stays."""
    vpc = aws.network.survey().vpc_id
    for cidrs in (["10.0.0.0/8"], ["10.0.0.0/8"], ["10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32"], ["192.0.2.0/24"]):
        aws.network.ensure_security_group("once-rds", vpc, cidrs, TAGS)
    found = aws.network.security_group("once-rds", vpc)
    assert found is not None
    assert ("10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32") == found.members
    assert TAGS == dict(found.tags)


def test_a_subnet_group_is_made_once(aws: Aws) -> None:
    """It holds one subnet for each zone of the default network."""
    network = aws.network.survey()
    ids = sorted(s.id for s in network.subnets)
    for _ in range(2):
        aws.network.ensure_subnet_group("once-rds", ids, TAGS)
    found = aws.network.subnet_group("once-rds")
    assert found is not None
    assert ids == list(found.members)
    assert len(ids) == len({s.zone for s in network.subnets})


def test_subnets_of_ones_own_are_taken_and_wrong_ones_refused(aws: Aws) -> None:
    """Two zones at least, and subnets that exist."""
    two = [s.id for s in aws.network.survey().subnets][:2]
    assert sorted(two) == sorted(s.id for s in aws.network.survey(two).subnets)
    with pytest.raises(ConfigError, match="two zones at least; there are 1"):
        aws.network.survey(two[:1])
    with pytest.raises(ConfigError, match="does not exist"):
        aws.network.survey(["subnet-0123456789abcdef0"])


def test_a_secret_is_made_once_and_never_loses_a_password(aws: Aws) -> None:
    """A later run may add a login; what exists stays, for an application may hold it."""
    aws.secrets.ensure("pgcutover/once", Logins(master="m", app="a", credentials=()), TAGS)
    first = aws.secrets.logins("pgcutover/once")
    aws.secrets.ensure("pgcutover/once", Logins(master="m", app="a", credentials=("readonly",)), TAGS)
    second = aws.secrets.logins("pgcutover/once")
    assert {"a", "m", "readonly"} == set(second)
    assert first == {user: second[user] for user in first}
    described = aws.secrets.describe("pgcutover/once")
    assert described is not None
    assert ("a", "m", "readonly") == described.users


def test_passwords_are_what_rds_and_pgbouncer_can_take(aws: Aws) -> None:
    """The application's is alphanumeric, for its URL is never decoded; the master's lacks what RDS forbids."""
    aws.secrets.ensure("pgcutover/rules", LOGINS, TAGS)
    logins = {user: password.reveal() for user, password in aws.secrets.logins("pgcutover/rules").items()}
    assert logins["acme_app"].isalnum()
    assert logins["readonly"].isalnum()
    assert len(logins["acme_app"]) == 48
    assert not set("/'\"@ ") & set(logins["acme_master"])
    assert 8 <= len(logins["acme_master"]) <= 128
    assert len(set(logins.values())) == 3


def test_a_removed_secret_comes_back_with_its_passwords(aws: Aws) -> None:
    """Deletion takes 30 days, so that a destroyed target can be understood and a name used again."""
    aws.secrets.ensure("pgcutover/back", LOGINS, TAGS)
    before = aws.secrets.logins("pgcutover/back")
    aws.secrets.remove("pgcutover/back", TAGS)
    aws.secrets.remove("pgcutover/back", TAGS)
    assert aws.secrets.describe("pgcutover/back") is None
    aws.secrets.ensure("pgcutover/back", LOGINS, TAGS)
    assert before == aws.secrets.logins("pgcutover/back")


def test_a_parameter_group_is_made_once_with_its_values(aws: Aws) -> None:
    """Asking again sets only what differs, and leaves a person's own values alone."""
    for values in ([("rds.force_ssl", "1")], [("rds.force_ssl", "1"), ("max_connections", "200")]):
        aws.parameters.ensure_group("once-pg", "postgres16", values, TAGS)
    aws.parameters.set_values("once-pg", [("work_mem", "8192")])
    aws.parameters.ensure_group("once-pg", "postgres16", [("rds.force_ssl", "1")], TAGS)
    held = {"max_connections": "200", "rds.force_ssl": "1", "work_mem": "8192"}
    assert held == aws.parameters.own_values("once-pg")


def test_more_than_twenty_values_are_set_and_reset(aws: Aws) -> None:
    """RDS takes 20 in a call."""
    aws.parameters.ensure_group("many-pg", "postgres16", [], TAGS)
    fitting = [p for p in aws.parameters.of_family("postgres16") if p.modifiable and p.allowed == "0,1"][:45]
    assert 45 == len(fitting)
    aws.parameters.set_values("many-pg", [(p.name, "1") for p in fitting])
    assert {p.name: "1" for p in fitting} == aws.parameters.own_values("many-pg")
    aws.parameters.reset_values("many-pg", [p.name for p in fitting])
    assert {} == aws.parameters.own_values("many-pg")


def test_a_family_tells_defaults_ranges_and_what_needs_a_reboot(aws: Aws) -> None:
    """The whole of it, over several pages."""
    family = {p.name: p for p in aws.parameters.of_family("postgres16")}
    assert len(family) > 250
    assert (True, True) == (family["max_wal_size"].dynamic, family["max_wal_size"].modifiable)
    assert not family["shared_buffers"].dynamic
    assert not family["fsync"].modifiable
    assert "30-86400" == family["checkpoint_timeout"].allowed


@pytest.mark.parametrize("thing", ["security group", "subnet group", "secret", "parameter group"])
def test_a_name_taken_by_somebody_else_is_refused_and_left_alone(aws: Aws, thing: str) -> None:
    """Another environment's tag, too, is somebody else; removing in our name removes nothing of theirs."""
    network = aws.network.survey()
    ids = [s.id for s in network.subnets]
    actions = {
        "security group": (
            lambda tags: aws.network.ensure_security_group("taken", network.vpc_id, ["192.0.2.1/32"], tags),
            lambda: aws.network.remove_security_group("taken", network.vpc_id, TAGS),
            lambda: aws.network.security_group("taken", network.vpc_id),
        ),
        "subnet group": (
            lambda tags: aws.network.ensure_subnet_group("taken", ids, tags),
            lambda: aws.network.remove_subnet_group("taken", TAGS),
            lambda: aws.network.subnet_group("taken"),
        ),
        "secret": (
            lambda tags: aws.secrets.ensure("taken", LOGINS, tags),
            lambda: aws.secrets.remove("taken", TAGS),
            lambda: aws.secrets.describe("taken"),
        ),
        "parameter group": (
            lambda tags: aws.parameters.ensure_group("taken", "postgres16", [], tags),
            lambda: aws.parameters.remove_group("taken", TAGS),
            lambda: aws.parameters.group_tags("taken"),
        ),
    }
    ensure, remove, find = actions[thing]
    ensure(OTHERS)
    theirs = find()
    with pytest.raises(RefusedError, match=f"the {thing} name taken is taken"):
        ensure(TAGS)
    remove()
    assert theirs is not None
    assert theirs == find()


def test_what_is_ours_can_be_removed_and_made_again(aws: Aws) -> None:
    """Removing twice is no error."""
    network = aws.network.survey()
    for _ in range(2):
        aws.network.ensure_security_group("gone-rds", network.vpc_id, ["192.0.2.1/32"], TAGS)
        aws.network.ensure_subnet_group("gone-rds", [s.id for s in network.subnets], TAGS)
        aws.parameters.ensure_group("gone-pg", "postgres16", [], TAGS)
        for _ in range(2):
            aws.network.remove_security_group("gone-rds", network.vpc_id, TAGS)
            aws.network.remove_subnet_group("gone-rds", TAGS)
            aws.parameters.remove_group("gone-pg", TAGS)
        found = (aws.network.security_group("gone-rds", network.vpc_id), aws.network.subnet_group("gone-rds"))
        assert (None, None, None) == (*found, aws.parameters.group_tags("gone-pg"))


def test_an_instance_is_made_changed_photographed_and_deleted_only_with_a_last_snapshot(
    aws: Aws, spec: InstanceSpec
) -> None:
    """From nothing to gone; each part again is no error, and how long it took is known."""
    for _ in range(2):
        aws.instances.create(spec)
    made = aws.instances.describe("acme")
    assert made is not None
    assert (True, True, True, 0) == (made.usable, made.encrypted, made.deletion_protection, made.retention_days)
    assert (made.host, made.port) == aws.instances.endpoint("acme")
    assert "acme" in aws.instances.with_parameter_group("acme-postgres16")
    assert (aws.seconds("instance acme") or 0) > 0
    change = InstanceChange(retention_days=7, minor_upgrades=True)
    for _ in range(2):
        aws.instances.change("acme", change)
        aws.instances.ensure_snapshot("acme", "acme-shot", TAGS)
    changed = aws.instances.describe("acme")
    assert changed is not None
    assert change.holds(changed)
    with pytest.raises(RefusedError, match="the instance name acme is taken"):
        aws.instances.delete_with_final_snapshot("acme", "acme-last", OTHERS)
    for _ in range(2):
        aws.instances.delete_with_final_snapshot("acme", "acme-last", TAGS)
    assert aws.instances.describe("acme") is None
    assert (True, True) == (aws.instances.snapshot_exists("acme-shot"), aws.instances.snapshot_exists("acme-last"))


@pytest.fixture(scope="module")
def noticed(account: Account, spec: InstanceSpec) -> list[str]:
    """An instance named `stands`, and what was said while it was made."""
    seen: list[str] = []
    with account.client(notice=seen.append) as aws:
        aws.instances.create(dataclasses.replace(spec, identifier="stands"))
    return seen


def test_statuses_are_noticed_as_they_change(noticed: list[str]) -> None:
    """A person who waits ten minutes sees that something happens."""
    assert "instance stands is available" == noticed[-1]
    assert len(noticed) == len(set(noticed)) > 1


@pytest.mark.usefixtures("noticed")
def test_a_reboot_ends_when_nothing_waits_for_one(aws: Aws) -> None:
    """The status stays `available` at first, so the wait is for what the reboot is for."""
    aws.parameters.set_values("acme-postgres16", [("max_locks_per_transaction", "128")])

    def waiting() -> bool:
        found = aws.instances.describe("stands")
        return found is not None and found.pending_reboot

    aws.instances._calls.until(waiting, what="the static parameter", limit_s=60)
    aws.instances.reboot("stands")
    assert not waiting()
    aws.parameters.reset_values("acme-postgres16", ["max_locks_per_transaction"])


@pytest.mark.usefixtures("noticed")
def test_an_instance_of_somebody_elses_is_never_waited_for_as_ours(aws: Aws, spec: InstanceSpec) -> None:
    """The name alone makes nothing ours."""
    with pytest.raises(RefusedError, match="the instance name stands is taken"):
        aws.instances.create(dataclasses.replace(spec, identifier="stands", tags=tuple(OTHERS.items())))


def test_an_instance_that_fails_to_come_up_is_said_with_rds_own_words(
    account: Account, aws: Aws, spec: InstanceSpec
) -> None:
    """Not a time-out: the status is one from which nothing comes back."""
    account.turn(next_instance_ends_as="incompatible-network")
    with pytest.raises(AwsError, match="instance stuck is incompatible-network: ") as caught:
        aws.instances.create(dataclasses.replace(spec, identifier="stuck"))
    assert "destroy --target" in caught.value.hint


def test_a_wait_ends_with_what_was_waited_for(account: Account) -> None:
    """The limit is a clear error, and the hint says that the same command goes on."""
    with account.client() as aws, pytest.raises(AwsError, match="the moon did not come about within 0 minutes"):
        aws.instances._calls.until(lambda: False, what="the moon", limit_s=0.01)


@pytest.mark.parametrize(
    ("key", "hint"), [("AKIANOBODYKNOWSTHIS0", "does not know this access key"), (READ_ONLY_KEY, "lacks this right")]
)
def test_wrong_keys_and_missing_rights_are_rights_errors(
    account: Account, monkeypatch: pytest.MonkeyPatch, key: str, hint: str
) -> None:
    """In the words of each service: RDS, EC2 and Secrets Manager say it differently."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    with account.client() as aws:
        vpc = account.aws.network.survey().vpc_id
        for refused in (
            lambda: aws.parameters._calls.call(
                "rds",
                "create_db_parameter_group",
                DBParameterGroupName="x",
                DBParameterGroupFamily="postgres16",
                Description="x",
            ),
            lambda: aws.secrets._calls.call("secretsmanager", "create_secret", Name="x", SecretString="x"),
            lambda: aws.network._calls.call("ec2", "create_security_group", GroupName="x", Description="x", VpcId=vpc),
        ):
            with pytest.raises(RightsError) as caught:
                refused()
            assert hint in caught.value.hint
            assert 66 == caught.value.exit_code


def test_expired_credentials_say_so(account: Account, aws: Aws) -> None:
    """The same command works once one has signed in again."""
    account.turn(fail_next=[{"action": "DescribeDBInstances", "code": "ExpiredToken"}])
    with pytest.raises(RightsError) as caught:
        aws.instances.describe("x")
    assert "expired" in caught.value.hint


def test_no_credentials_at_all_say_where_to_put_them(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 looks in many places; none had any."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with account.client() as aws, pytest.raises(RightsError, match="no usable AWS credentials"):
        aws.identity()


def test_an_unknown_profile_is_a_config_error(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is in the message."""
    monkeypatch.setenv("AWS_PROFILE", "nobody-made-this")
    with account.client() as aws, pytest.raises(ConfigError, match="nobody-made-this"):
        aws.identity()


def test_a_limit_that_is_reached_is_a_quota_error(account: Account, aws: Aws, spec: InstanceSpec) -> None:
    """Before the plan is made, and once more if the account fills up meanwhile."""
    account.turn(instance_quota=0)
    with pytest.raises(QuotaError, match="DBInstances") as caught:
        aws.offers.refuse_full(20, replica=False)
    assert (87, True) == (caught.value.exit_code, "Service Quotas" in caught.value.hint)
    with pytest.raises(QuotaError, match="InstanceQuotaExceeded"):
        aws.instances.create(dataclasses.replace(spec, identifier="one-too-many"))


def test_a_web_page_instead_of_an_answer_is_survived_or_said(account: Account, aws: Aws) -> None:
    """A read is tried again; when it stays a page, that is said, and nothing of the page is quoted."""
    account.turn(html_500_calls=2)
    assert aws.instances.describe("x") is None
    account.turn(html_500_calls=50)
    with account.client(attempts=1) as aws_once:
        for asked in (
            lambda: aws_once.instances.describe("x"),
            lambda: aws_once.secrets.describe("x"),
            lambda: aws_once.network.survey(),
        ):
            with pytest.raises(AwsError, match="the answer is not AWS's, but some web page") as caught:
                asked()
            assert "AWS_ENDPOINT_URL" in caught.value.hint
            assert type(caught.value) is AwsError
            assert "html" not in str(caught.value)


def test_a_web_page_with_status_200_is_no_empty_answer(account: Account) -> None:
    """boto reads it as an answer in which all is missing; it must not mean that there is nothing."""
    for action in ("DescribeDBInstances", "DescribeSecret", "DescribeVpcs"):
        account.turn(lose_next=[{"action": action, "how": "html", "times": 50}])
        with account.client(attempts=1) as aws, pytest.raises(AwsError, match="but some web page"):
            {
                "DescribeDBInstances": lambda: aws.instances.describe("x"),
                "DescribeSecret": lambda: aws.secrets.describe("x"),
                "DescribeVpcs": lambda: aws.network.survey(),
            }[action]()


def test_a_change_whose_answer_got_lost_is_found_made(account: Account, aws: Aws) -> None:
    """Whatever comes in place of the answer is an error or passed over; asked again, what is there is ours."""
    for how in ("status", "html", "cut"):
        account.turn(lose_next=[{"action": "CreateDBParameterGroup", "how": how}])
        wanted = [("rds.force_ssl", "1")]
        with contextlib.suppress(AwsError):
            aws.parameters.ensure_group(f"lost-{how}", "postgres16", wanted, TAGS)
        aws.parameters.ensure_group(f"lost-{how}", "postgres16", wanted, TAGS)


def test_throttling_is_waited_out_and_then_said(account: Account) -> None:
    """boto3 slows down by itself; what remains is no bug of anybody's."""
    account.turn(throttle_calls=50)
    with account.client(attempts=1) as aws, pytest.raises(AwsError, match="Throttling") as caught:
        aws.instances.describe("x")
    assert "slow down" in caught.value.hint


def test_an_unreachable_endpoint_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens there."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        with Aws("us-east-1", endpoint_url=url, attempts=1) as aws, pytest.raises(AwsError, match="cannot be reached"):
            aws.identity()


def test_no_password_is_in_any_error(account: Account, aws: Aws, spec: InstanceSpec) -> None:
    """Not in one that AWS answers to a request with a password, nor in one that boto raises about its form."""
    password = aws.secrets.logins("pgcutover/acme")["acme_master"].reveal()
    account.turn(fail_next=[{"action": "CreateDBInstance", "code": "InvalidParameterValue", "message": "bad"}])
    errors: list[PgcutoverError] = []
    with pytest.raises(AwsError) as answered:
        aws.instances.create(dataclasses.replace(spec, identifier="leaks"))
    errors.append(answered.value)
    with pytest.raises(AwsError) as formed:
        aws.instances._calls.call("rds", "create_db_instance", MasterUserPassword=[password])
    errors.append(formed.value)
    assert [] == [str(error) for error in errors if password in str(error)]


def test_offers_are_asked_class_by_class(aws: Aws) -> None:
    """In the given order; a class that our table lacks is described by EC2."""
    assert ("db.r7g.large", "db.t4g.micro") == aws.offers.orderable(
        "16.14", ["db.r7g.large", "db.zz9.mega", "db.t4g.micro"]
    )
    assert {"16.14": "postgres16", "18.4": "postgres18"} == {v.version: v.family for v in aws.offers.versions()}
    gd = aws.offers.describe_class("db.r6gd.large")
    assert gd is not None
    assert (2, 16, 3600) == (gd.vcpus, gd.memory_gib, gd.disk_iops)
    assert aws.offers.describe_class("db.zz9.mega") is None


def test_a_secret_of_somebody_elses_with_one_login_is_read(aws: Aws) -> None:
    """The form in which RDS keeps a managed master password; anything else is said without quoting it."""
    call = aws.secrets._calls.call
    call("secretsmanager", "create_secret", Name="root", SecretString='{"username": "root", "password": "s3cr3t"}')
    call("secretsmanager", "create_secret", Name="text", SecretString="s3cr3t")
    aws.secrets.ensure("pgcutover/two", LOGINS, TAGS)
    assert "s3cr3t" == aws.logins("pgcutover/two", "root")["root"].reveal()
    with pytest.raises(ConfigError, match="is not a JSON object") as caught:
        aws.secrets.logins("text")
    assert "s3cr3t" not in str(caught.value)
    with pytest.raises(AwsError, match="there is no secret nothing"):
        aws.secrets.logins("nothing")
