"""The AWS account that the database moves to: what is there, and what we make in it.

Only the `aws*` modules of this room import boto3. No method anywhere in them deletes an instance without a final
snapshot. Credentials are boto3's own affair and are never read here.
"""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from pgcutover.edges.aws_alarms import AwsAlarms
from pgcutover.edges.aws_calls import ATTEMPTS, AwsCalls, Notice, Time, silence
from pgcutover.edges.aws_host import AwsHosts
from pgcutover.edges.aws_instances import AwsInstances
from pgcutover.edges.aws_network import AwsNetwork
from pgcutover.edges.aws_offers import AwsOffers
from pgcutover.edges.aws_parameters import AwsParameters
from pgcutover.edges.aws_rights import AwsRights
from pgcutover.edges.aws_secrets import AwsSecrets
from pgcutover.facts.names import Secret


class Aws:
    """One account in one Region. Use it as a context manager, or close it."""

    def __init__(
        self,
        region: str,
        *,
        endpoint_url: str | None = None,
        attempts: int = ATTEMPTS,
        clock: Time = time,
        notice: Notice = silence,
    ) -> None:
        """`endpoint_url` None lets boto3 decide, which heeds AWS_ENDPOINT_URL. `notice` hears of every new status."""
        self._calls = AwsCalls(region, endpoint_url=endpoint_url, attempts=attempts, clock=clock, notice=notice)
        self.network = AwsNetwork(self._calls)
        self.secrets = AwsSecrets(self._calls)
        self.parameters = AwsParameters(self._calls)
        self.instances = AwsInstances(self._calls, self.network, self.secrets)
        self.offers = AwsOffers(self._calls)
        self.rights = AwsRights(self._calls)
        self.hosts = AwsHosts(self._calls)
        self.alarms = AwsAlarms(self._calls)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._calls.close()

    def identity(self) -> tuple[str, str]:
        """The account's number and the ARN of whoever we are; the cheapest proof that the credentials work."""
        reply = self._calls.call("sts", "get_caller_identity")
        return str(reply["Account"]), str(reply["Arn"])

    def seconds(self, what: str) -> float | None:
        """How long a creation took in this process, for example `instance acme-api`; None when it made none."""
        return self._calls.seconds.get(what)

    def logins(self, secret: str, master_secret: str = "") -> Mapping[str, Secret]:
        """Passwords by user: of our secret, and of somebody else's that holds the master's."""
        if not master_secret:
            return self.secrets.logins(secret)
        # Before `prepare`, only the master of an existing instance can log in.
        ours = self.secrets.logins(secret) if self.secrets.describe(secret) else {}
        return {**self.secrets.logins(master_secret), **ours}
