"""How AWS is called: one session, one table from its errors to ours, and waiting that a person can follow.

Everything that talks to AWS goes through `AwsCalls.call`. It must not know what a call is for. Nothing that is sent is
ever logged or quoted in an error: a request may carry a password.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import boto3
from botocore import exceptions as boto
from botocore.config import Config
from botocore.parsers import ResponseParserError

from pgcutover.errors import AwsError, ConfigError, PgcutoverError, QuotaError, RightsError

ATTEMPTS = 8
"""With the client's own back-off about half a minute; RDS throttles accounts that poll much."""
CONNECT_S = 10
READ_S = 60
READS = ("describe_", "get_", "list_")
HIDDEN_REPLY_ATTEMPTS = 3
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
"""Between looks at something that takes minutes; shorter would meet RDS's request limits, longer would bore."""

RDS_CONSOLE = "Look at it in the RDS console, then run the same command again: it goes on waiting."

RIGHTS = frozenset(
    """
    AccessDenied AccessDeniedException UnauthorizedOperation AuthFailure InvalidClientTokenId ExpiredToken
    ExpiredTokenException RequestExpired UnrecognizedClientException InvalidAccessKeyId SignatureDoesNotMatch
    IncompleteSignature MissingAuthenticationToken OptInRequired KMSAccessDenied KMSKeyNotAccessible
    DecryptionFailure NotAuthorized AuthorizationNotFound Client.UnauthorizedOperation
    """.split()  # noqa: SIM905  (a list of quoted names would fill a page)
)
IDENTITY = frozenset(
    {
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "AuthFailure",
    }
)
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
THROTTLED = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"})
# boto's parser of XML looks for the result's element without asking whether it is there.
UNREADABLE = (ResponseParserError, KeyError)
NOT_OF_THE_ANSWER = frozenset({"ResponseMetadata", "message"})
"""What boto's reply holds even when nothing was in the answer."""
NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.SSOError,
    boto.UnauthorizedSSOTokenError,
)


class Time(Protocol):
    """Time, so that tests need not wait."""

    def monotonic(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


Notice = Callable[[str], None]


def silence(text: str) -> None:
    """For callers who want no notices."""


class AwsCalls:
    """Clients of one Region, and what they cost in time. Credentials come from where boto3 finds them."""

    def __init__(
        self,
        region: str,
        *,
        endpoint_url: str | None = None,
        attempts: int = ATTEMPTS,
        clock: Time = time,
        notice: Notice = silence,
    ) -> None:
        self.region = region
        self.clock = clock
        self.notice = notice
        self.seconds: dict[str, float] = {}
        """How long each creation took in this process, by what was created."""
        self._endpoint_url = endpoint_url
        self._attempts = attempts
        self._session: boto3.session.Session | None = None
        self._clients: dict[str, Any] = {}

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def call(self, service: str, operation: str, *, tolerated: Collection[str] = (), **request: Any) -> dict[str, Any]:
        """One call; an error whose code is in `tolerated` gives {} instead.

        Raises:
            RightsError, QuotaError, AwsError, ConfigError: by `error_of`.
        """
        attempts = HIDDEN_REPLY_ATTEMPTS if operation.startswith(READS) else 1
        for attempt in range(1, attempts + 1):
            try:
                return _checked(getattr(self._client(service), operation)(**request))
            except boto.ClientError as cause:
                if _code(cause) in tolerated:
                    return {}
                raise error_of(cause, service, operation) from cause
            except UNREADABLE as cause:
                # A page of HTML from something between us and AWS: asking again changes nothing and often helps.
                if attempt == attempts:
                    raise error_of(cause, service, operation) from cause
                self.clock.sleep(FIRST_PAUSE_S * attempt)
            except boto.BotoCoreError as cause:
                raise error_of(cause, service, operation) from cause
        raise AssertionError("unreachable")

    def pages(self, service: str, operation: str, key: str, **request: Any) -> Iterator[dict[str, Any]]:
        """Every row of a list that comes in pages, for the calls that page by Marker."""
        marker: dict[str, str] = {}
        while True:
            reply = self.call(service, operation, **request, **marker)
            yield from reply.get(key, [])
            if not reply.get("Marker"):
                return
            marker = {"Marker": reply["Marker"]}

    def until(self, holds: Callable[[], bool], *, what: str, limit_s: float, hint: str = RDS_CONSOLE) -> None:
        """Look again and again, less and less often, until it holds.

        Raises:
            AwsError: it did not within the limit.
        """
        begun, pause = self.clock.monotonic(), FIRST_PAUSE_S
        while not holds():
            if self.clock.monotonic() - begun > limit_s:
                raise AwsError(
                    f"{what} did not come about within {limit_s / 60:.0f} minutes",
                    hint=hint,
                )
            self.clock.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_S)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Remember how long the block took, under this name."""
        begun = self.clock.monotonic()
        yield
        self.seconds[what] = round(self.clock.monotonic() - begun, 3)

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            try:
                session = self._session or boto3.session.Session(region_name=self.region)
                self._session = session
                client = session.client(service, endpoint_url=self._endpoint_url, config=self._config())  # type: ignore[call-overload]
            except (boto.ProfileNotFound, boto.InvalidRegionError, boto.InvalidConfigError, ValueError) as cause:
                raise ConfigError(
                    f"the AWS configuration is wrong: {cause}",
                    hint="Check AWS_PROFILE, AWS_ENDPOINT_URL and target.region.",
                ) from cause
            except boto.BotoCoreError as cause:
                raise error_of(cause, service, "sign in") from cause
            self._clients[service] = client
        return self._clients[service]

    def _config(self) -> Config:
        return Config(
            retries={"mode": "adaptive", "total_max_attempts": self._attempts},
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            user_agent_extra="pgcutover",
        )


def _checked(reply: Mapping[str, Any]) -> dict[str, Any]:
    """The reply, unless a page for people came with status 200: boto reads that as an answer in which all is missing.

    Raises:
        ResponseParserError: it did.
    """
    headers = reply.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    if "html" in headers.get("content-type", "") and not reply.keys() - NOT_OF_THE_ANSWER:
        raise ResponseParserError("a web page")
    return dict(reply)


def _code(cause: boto.ClientError) -> str:
    """The error's code without the suffix that some services give it and others do not."""
    return str(cause.response.get("Error", {}).get("Code", "")).removesuffix("Fault")


def error_of(cause: Exception, service: str, operation: str) -> PgcutoverError:
    """Our error for boto's; nothing of the request is in it."""
    doing = f"aws {service} {operation}"
    if isinstance(cause, NO_CREDENTIALS):
        return RightsError(
            f"{doing}: no usable AWS credentials",
            hint="Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in with aws sso login.",
        )
    if isinstance(cause, boto.ClientError):
        return _refusal(cause, doing)
    if isinstance(cause, UNREADABLE):
        return _no_answer(doing)
    if isinstance(cause, (boto.HTTPClientError, boto.ConnectionError)):
        return AwsError(
            f"{doing}: AWS cannot be reached ({type(cause).__name__})",
            hint="Check the network, target.region and AWS_ENDPOINT_URL, then run the same command again.",
        )
    # boto's texts on invalid requests quote them, and a request may hold a password.
    return AwsError(f"{doing}: {type(cause).__name__}", hint="This is a bug in pgcutover: please report it.")


def _refusal(cause: boto.ClientError, doing: str) -> PgcutoverError:
    code = _code(cause)
    if code.isdigit():
        # A status without one of AWS's codes; boto has tried again by itself.
        return _no_answer(doing)
    said = f"{doing}: {code}: {' '.join(str(cause.response.get('Error', {}).get('Message', '')).split())}"
    if code in RIGHTS:
        return RightsError(said, hint=_right_hint(code))
    if code.endswith("QuotaExceeded") or ("LimitExceeded" in code and code not in THROTTLED):
        return QuotaError(
            said, hint="Remove what is not needed, or ask for more under Service Quotas in the AWS console."
        )
    if code in THROTTLED:
        return AwsError(
            said, hint="AWS asks this account to slow down: wait a minute, then run the same command again."
        )
    if code == "InsufficientDBInstanceCapacity":
        return AwsError(said, hint="This Region has none of that class left: choose another under [target] size.")
    if code == "InsufficientInstanceCapacity":
        return AwsError(said, hint="This zone has none of that class left: choose another in host.size.")
    return AwsError(said, hint="Run the same command again when the cause is gone.")


def _no_answer(doing: str) -> AwsError:
    return AwsError(
        f"{doing}: the answer is not AWS's, but some web page",
        hint="Check AWS_ENDPOINT_URL and any proxy between here and AWS, then run the same command again.",
    )


def _right_hint(code: str) -> str:
    if code in IDENTITY:
        return "AWS does not know this access key: check AWS_PROFILE and the AWS_… variables."
    if code in EXPIRED:
        return "The credentials have expired: sign in again, then run the same command."
    return "The role or user lacks this right: pgcutover rights --policy prints a policy with all that are needed."
