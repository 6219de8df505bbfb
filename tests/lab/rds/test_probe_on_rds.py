"""A look at the lab's RDS says what is there: as predicted while nothing is changed, otherwise when it is."""

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pgcutover.app.probing.looking import Asking, Looks
from pgcutover.app.probing.rds import BORN, GROWN, RdsWorld
from pgcutover.edges.probe_aws import ProbeAws
from pgcutover.edges.transcript import Transcript
from pgcutover.errors import RefusedError
from pgcutover.lab.rds import ADMIN_KEY, SECRET_KEY, backend, classes, formulas, instances
from pgcutover.planning.predicted_aws import AWS
from pgcutover.planning.predictions import Verdict

NAME = "pgcutover-probe-0123abcd"


@pytest.fixture
def aws(account: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProbeAws]:
    """Whatever it made is removed when the test ends."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", account.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ADMIN_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setattr("pgcutover.edges.aws_calls.LONGEST_PAUSE_S", 0.5)
    with (
        closing(Transcript(tmp_path / "transcript.jsonl")) as transcript,
        closing(ProbeAws("us-east-1", transcript, notice=lambda _: None)) as made,
    ):
        yield made
        made.remove(NAME)
        with pytest.raises(account.rds.exceptions.DBParameterGroupNotFoundFault):
            account.rds.describe_db_parameter_groups(DBParameterGroupName=NAME)


def verdict(aws: ProbeAws, account: Any, number: str) -> Verdict:
    transcript = aws._transcript
    world = RdsWorld(
        aws=aws,
        name=NAME,
        version=aws.newest(),
        ca_bundle=lambda: str(account.bundle),
        asking=Asking(transcript=transcript),
    )
    looks = Looks(predictions=AWS, transcript=transcript, tell=lambda _: None)
    aws.make(NAME, world.version)
    if number not in BORN:
        aws.ready(NAME)
    looks.make({number: {**BORN, **GROWN}[number]}, world)
    return looks.findings[number].verdict


def at_once(account: Any, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(instances.Instance, "endpoint", {"Address": "127.0.0.1", "Port": 1, "HostedZoneId": "Z"})


def unlike_any_code(account: Any, patch: pytest.MonkeyPatch) -> None:
    account.lab_door("knobs", {"fail_next": [{"action": "ModifyDBParameterGroup", "code": "SomethingElse"}]})


CHANGES: dict[str, Callable[[Any, pytest.MonkeyPatch], Any]] = {
    "A3": lambda _, patch: patch.setattr(backend.Backend, "_check_replicable", lambda *_: None),
    "A9": at_once,
    "A12": lambda _, patch: patch.setattr(classes.InstanceClass, "usable_memory_bytes", 2**30),
    "A13": lambda _, patch: patch.setattr(formulas.math, "log2", math.log),
    "A14": unlike_any_code,
}
"""What is turned in the lab to see each of these come out otherwise."""


@pytest.mark.parametrize("number", CHANGES)
def test_a_change_underneath_is_seen(aws: ProbeAws, account: Any, monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    """The look of that number says so."""
    with monkeypatch.context() as patch:
        CHANGES[number](account, patch)
        assert Verdict.OTHERWISE == verdict(aws, account, number)


def test_only_a_probes_own_instance_is_removed(aws: ProbeAws, account: Any) -> None:
    """Neither another name, nor one of ours that lacks the tag."""
    account.order(NAME, DBInstanceClass="db.t4g.micro")
    for name in ("acme-api", NAME):
        with pytest.raises(RefusedError):
            aws.remove(name)
    account.available(NAME)
    account.rds.delete_db_instance(DBInstanceIdentifier=NAME, SkipFinalSnapshot=True)
    account.gone(NAME)
