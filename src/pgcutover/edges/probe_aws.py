"""RDS as a probe meets it: calls go into the transcript, refusals are read by their codes, an instance comes and goes.

The one place that deletes an instance without a final snapshot: one that a probe made, by its name and its tag.
"""

import secrets
from collections.abc import Collection
from typing import Any

from pgcutover.edges.aws_calls import AwsCalls, Notice
from pgcutover.edges.aws_instances import CREATION_LIMIT_S, PORT, AwsInstances
from pgcutover.edges.aws_network import AwsNetwork
from pgcutover.edges.aws_offers import AwsOffers
from pgcutover.edges.aws_parameters import AwsParameters
from pgcutover.edges.aws_secrets import AwsSecrets
from pgcutover.edges.transcript import Transcript
from pgcutover.errors import AwsError, NotUndoneError, PgcutoverError, RefusedError
from pgcutover.facts.names import Dsn, Secret
from pgcutover.facts.rds import EngineVersion, Instance, is_ours
from pgcutover.planning.throwaway_estate import INSTANCE_CLASS, STORAGE_GB, ours, replica_of, tags_of

MASTER = "pgcutover_probe"
ANYWHERE = "0.0.0.0/0"
"""Who runs a probe has no fixed address; the database is empty, its password random, and TLS forced."""
DELETION_LIMIT_S = 3600.0


class RecordedCalls(AwsCalls):
    """The same calls, each with its answer in the transcript."""

    def __init__(self, region: str, transcript: Transcript, notice: Notice) -> None:
        super().__init__(region, notice=notice)
        self._transcript = transcript

    def call(self, service: str, operation: str, *, tolerated: Collection[str] = (), **request: Any) -> dict[str, Any]:
        try:
            reply = super().call(service, operation, tolerated=tolerated, **request)
        except PgcutoverError as error:
            self._transcript.aws(service, operation, request, _response(error) or {"error": type(error).__name__})
            raise
        self._transcript.aws(service, operation, request, reply)
        return reply


class ProbeAws:
    """One account in one Region. Close it when done."""

    def __init__(self, region: str, transcript: Transcript, *, notice: Notice) -> None:
        self.calls = RecordedCalls(region, transcript, notice)
        self.network = AwsNetwork(self.calls)
        self.parameters = AwsParameters(self.calls)
        self.offers = AwsOffers(self.calls)
        self.instances = AwsInstances(self.calls, self.network, AwsSecrets(self.calls))
        self._transcript = transcript
        self._password = Secret(secrets.token_urlsafe(32))
        transcript.redactor.know(self._password.reveal())

    def close(self) -> None:
        self.calls.close()

    def account(self) -> None:
        """Raises:
        RightsError: the credentials do not work.
        ConfigError: the Region has no default network to make an instance in.
        """
        self.calls.call("sts", "get_caller_identity")
        self.network.survey()

    def newest(self) -> EngineVersion:
        """The newest version that RDS makes instances of."""
        return max(self.offers.versions(), key=lambda one: tuple(map(int, one.version.split("."))))

    # -- making and removing ----------------------------------------------------------------------------------------

    def make(self, name: str, version: EngineVersion) -> None:
        """Ask for the instance, with what it needs around it; returns before it can be used.

        Raises:
            QuotaError: the account has no room for it; nothing was made.
        """
        _refuse_foreign(name)
        self.offers.refuse_full(STORAGE_GB, replica=False)
        tags, network = tags_of(name), self.network.survey()
        self.network.ensure_subnet_group(name, [subnet.id for subnet in network.subnets], tags)
        self.network.ensure_security_group(name, network.vpc_id, [ANYWHERE], tags)
        self.parameters.ensure_group(name, version.family, (), tags)
        group = self.network.security_group(name, network.vpc_id)
        if group is None:
            raise AwsError(f"the security group {name} is gone")
        self.calls.call(
            "rds",
            "create_db_instance",
            DBInstanceIdentifier=name,
            DBInstanceClass=INSTANCE_CLASS,
            Engine="postgres",
            EngineVersion=version.version,
            AllocatedStorage=STORAGE_GB,
            StorageType="gp3",
            StorageEncrypted=True,
            MasterUsername=MASTER,
            MasterUserPassword=self._password.reveal(),
            Port=PORT,
            DBSubnetGroupName=name,
            VpcSecurityGroupIds=[group.id],
            DBParameterGroupName=name,
            PubliclyAccessible=True,
            MultiAZ=False,
            BackupRetentionPeriod=0,
            DeletionProtection=False,
            AutoMinorVersionUpgrade=False,
            EngineLifecycleSupport="open-source-rds-extended-support-disabled",
            Tags=_pairs(name),
        )

    def try_replica(self, name: str, **more: Any) -> str:
        """Ask for a replica of the instance; the code of the refusal. '': it was made, and is gone again."""
        code = self.refusal(
            "create_db_instance_read_replica",
            DBInstanceIdentifier=replica_of(name),
            SourceDBInstanceIdentifier=name,
            Tags=_pairs(name),
            **more,
        )
        if not code:
            self._remove_instance(replica_of(name), name)
        return code

    def remove(self, name: str) -> bool:
        """Remove a probe's instance, its replica and its groups; whether there was an instance.

        Raises:
            RefusedError: a thing of that name lacks our tag.
            AwsError, NotUndoneError: something is still there.
        """
        _refuse_foreign(name)
        found = [self._remove_instance(replica_of(name), name), self._remove_instance(name, name)]
        tags = tags_of(name)
        self.parameters.remove_group(name, tags)
        self.network.remove_subnet_group(name, tags)
        self.network.remove_security_group(name, self.network.survey().vpc_id, tags)
        return any(found)

    def _remove_instance(self, identifier: str, name: str) -> bool:
        found = self.instances.describe(identifier)
        if found is None:
            return False
        if not is_ours(dict(found.tags), tags_of(name)):
            raise RefusedError(f"the instance {identifier} lacks a probe's tag", hint="Look at it, and remove it.")
        codes: list[str] = []

        def gone() -> bool:
            now = self.instances.describe(identifier)
            if now is not None and now.status != "deleting":
                codes[:] = [
                    self.refusal(
                        "delete_db_instance",
                        DBInstanceIdentifier=identifier,
                        SkipFinalSnapshot=True,
                        DeleteAutomatedBackups=True,
                    )
                ]
            return now is None

        try:
            self.calls.until(gone, what=f"the deletion of instance {identifier}", limit_s=DELETION_LIMIT_S)
        except AwsError as cause:
            raise NotUndoneError(
                f"instance {identifier} is still there ({' '.join(codes) or 'deleting'})",
                hint="Run pgcutover probe --clean later, or delete it in the RDS console.",
            ) from cause
        return True

    # -- looking ----------------------------------------------------------------------------------------------------

    def refusal(self, operation: str, **request: Any) -> str:
        """The code with which RDS refuses a call; '' when it does what was asked.

        Raises:
            AwsError: there was no answer of RDS's.
        """
        try:
            self.calls.call("rds", operation, **request)
        except PgcutoverError as error:
            code = str(_response(error).get("Error", {}).get("Code", ""))
            if not code:
                raise
            return code.removesuffix("Fault")
        return ""

    def instance(self, name: str) -> Instance:
        found = self.instances.describe(name)
        if found is None:
            raise AwsError(f"instance {name} is gone", hint="Was it deleted by somebody else?")
        return found

    def ready(self, name: str) -> Instance:
        """The instance, once it can be changed."""
        return self.instances.wait(name, lambda i: i.changeable, what="can be used", limit_s=CREATION_LIMIT_S)

    def dsn(self, name: str, ca_bundle: str) -> Dsn:
        found = self.instance(name)
        return Dsn(
            host=found.host,
            port=found.port,
            user=MASTER,
            password=self._password,
            database="postgres",
            options=(("sslmode", "verify-full"), ("sslrootcert", ca_bundle), ("gssencmode", "disable")),
        )


def _pairs(name: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags_of(name).items())]


def _refuse_foreign(name: str) -> None:
    if not ours(name):
        raise RefusedError(f"{name} is no name that a probe gives; nothing was touched")


def _response(error: PgcutoverError) -> dict[str, Any]:
    """What AWS answered, as boto's error carries it; {} when it did not."""
    return dict(getattr(error.__cause__, "response", None) or {})
