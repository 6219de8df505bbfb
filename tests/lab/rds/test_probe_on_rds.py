"""A look at the lab's RDS says what is there: as predicted while nothing is changed, otherwise when it is."""

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pgcutover.app.probing.looking import Asking, Looks
from pgcutover.app.probing.rds import BORN, GROWN, RdsWorld
from pgcutover.edges.probe_aws import ProbeAws
from pgcutover.edges.transcript import Transcript
from pgcutover.errors import RefusedError
from pgcutover.lab.rds import ADMIN_KEY, SECRET_KEY, backend, formulas, instances
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


def test_every_change_underneath_is_seen(aws: ProbeAws, account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look says what the lab was turned to do, and a look at what was left alone says that it is as it was."""
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
    with monkeypatch.context() as patch:
        patch.setattr(instances.Instance, "endpoint", {"Address": "127.0.0.1", "Port": 1, "HostedZoneId": "Z"})
        looks.make(BORN, world)
    aws.ready(NAME)
    monkeypatch.setattr(backend.Backend, "_check_replicable", lambda *_: None)
    monkeypatch.setattr(formulas, "math", SimpleNamespace(log2=math.log))
    account.lab_door("knobs", {"fail_next": [{"action": "CreateDBParameterGroup", "code": "SomethingElse"}]})
    turned = ("A13", "A14", "A3")
    looks.make({number: GROWN[number] for number in ("A2", "A12", "A10", *turned)}, world)
    assert {
        **dict.fromkeys(("A9", *turned), Verdict.OTHERWISE),
        **dict.fromkeys(("A2", "A12", "A10"), Verdict.AS_PREDICTED),
    } == {number: finding.verdict for number, finding in looks.findings.items()}, looks.findings


def test_only_a_probes_own_instance_is_removed(aws: ProbeAws, account: Any) -> None:
    """Neither another name, nor one of ours that lacks the tag."""
    account.order(NAME, DBInstanceClass="db.t4g.micro")
    for name in ("acme-api", NAME):
        with pytest.raises(RefusedError):
            aws.remove(name)
    account.available(NAME)
    account.rds.delete_db_instance(DBInstanceIdentifier=NAME, SkipFinalSnapshot=True)
    account.gone(NAME)
