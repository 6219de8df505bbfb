"""Who may call: the lab's two access keys, and what is answered to any other, or to one without the right.

What a key may do that was given a policy, `access.py` tells.

Keys are public: they open nothing but a lab on loopback. Signatures are not verified.
"""

import enum
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

ADMIN_KEY = "AKIALABADMIN00000001"
READ_ONLY_KEY = "AKIALABREADONLY00001"
SECRET_KEY = "not-a-secret/any-value-does-in-a-lab/0000"
ACCOUNT = "123456789012"
READS = ("Describe", "List", "Get", "Simulate")
SECRET_READS = frozenset({"GetSecretValue", "BatchGetSecretValue", "GetRandomPassword"})
"""Reads by name, and yet not in the managed policy ReadOnlyAccess.
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/ReadOnlyAccess.html"""

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Protocol(enum.Enum):
    QUERY = enum.auto()
    EC2 = enum.auto()
    JSON = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a request says of itself before anybody has looked at its parameters."""

    key: str
    region: str
    service: str
    action: str
    protocol: Protocol
    request: Mapping[str, str] = field(default_factory=dict)
    """Parameters by name, those inside others as `Tags.Tag.1.Key`."""

    @property
    def permission(self) -> str:
        """The IAM action."""
        return f"{self.service}:{self.action}"

    @property
    def reads(self) -> bool:
        return self.action.startswith(READS) and self.action not in SECRET_READS


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    code: str
    message: str
    status: int


def refusal(call: Call) -> Fault | None:
    """What the service answers to a key it does not know, or that lacks the right; None: go on.

    Codes differ by service: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/CommonErrors.html,
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html,
    https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html
    """
    if call.key not in (ADMIN_KEY, READ_ONLY_KEY):
        return _UNKNOWN[call.protocol]
    if call.key == READ_ONLY_KEY and not call.reads:
        return forbidden(call, call.permission)
    return None


def forbidden(call: Call, action: str, resource: str = "") -> Fault:
    """This right is missing, in AWS's words."""
    code, status = _FORBIDDEN[call.protocol]
    on = f"on resource: {resource} " if resource else ""
    message = (
        f"User: arn:aws:iam::{ACCOUNT}:user/{call.key} is not authorized to perform: {action} {on}"
        f"because no identity-based policy allows the {action} action"
    )
    return Fault(code=code, message=message, status=status)


_TOKEN = "The security token included in the request is invalid."
_UNKNOWN = {
    Protocol.QUERY: Fault(code="InvalidClientTokenId", message=_TOKEN, status=403),
    Protocol.EC2: Fault(
        code="AuthFailure", message="AWS was not able to validate the provided access credentials", status=401
    ),
    Protocol.JSON: Fault(code="UnrecognizedClientException", message=_TOKEN, status=400),
}
_FORBIDDEN = {
    Protocol.QUERY: ("AccessDenied", 403),
    Protocol.EC2: ("UnauthorizedOperation", 403),
    Protocol.JSON: ("AccessDeniedException", 400),
}


def answer(fault: Fault, protocol: Protocol, start_response: StartResponse) -> Iterable[bytes]:
    """The fault in the words of the protocol."""
    request = str(uuid.uuid4())
    code, message = escape(fault.code), escape(fault.message)
    kind, body = "text/xml", ""
    if protocol is Protocol.JSON:
        kind, body = "application/x-amz-json-1.1", json.dumps({"__type": fault.code, "message": fault.message})
    elif protocol is Protocol.EC2:
        body = (
            f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
            f"<RequestID>{request}</RequestID></Response>"
        )
    else:
        body = (
            '<ErrorResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><Error><Type>Sender</Type>'
            f"<Code>{code}</Code><Message>{message}</Message></Error><RequestId>{request}</RequestId></ErrorResponse>"
        )
    data = body.encode()
    headers = [("Content-Type", kind), ("Content-Length", str(len(data))), ("x-amzn-RequestId", request)]
    start_response(f"{fault.status} Fault", headers)
    return [data]
