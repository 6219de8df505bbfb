"""A transcript can be shown to anybody: no secret is in it, and who it is about cannot be told."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from pgcutover.edges.redaction import MASK, Redactor
from pgcutover.edges.transcript import Transcript
from pgcutover.errors import JournalError

URL = "postgres://u1a2b3c4d5e6f7:hunter2secret@ec2-1-2-3-4.compute-1.amazonaws.com:5432/d1a2b3c4d5e6f7"


@pytest.mark.parametrize(
    ("value", "hidden"),
    [
        (URL, "hunter2secret"),
        (URL, "ec2-1-2-3-4"),
        (URL, "u1a2b3c4d5e6f7"),
        (f"FATAL: could not connect to {URL}", "hunter2secret"),
        ({"MasterUserPassword": "hunter2"}, "hunter2"),
        ({"database_password": "hunter2"}, "hunter2"),
        ({"nested": [{"SecretArn": "arn:of:a:secret"}]}, "arn:of:a"),
        ({"Arn": "arn:aws:rds:us-east-1:123456789012:db:x"}, "123456789012"),
        ({"owner": {"email": "ann@acme.example", "id": "0f3b1f6f", "name": "Ann"}}, "ann@acme"),
        ({"owner": {"email": "ann@acme.example", "id": "0f3b1f6f", "name": "Ann"}}, "0f3b1f6f"),
        ({"owner": {"email": "ann@acme.example", "id": "0f3b1f6f", "name": "Ann"}}, "Ann"),
        ({"UserId": "AIDAIOSFODNN7EXAMPLE"}, "AIDAIOSFODNN7"),
        ("http://203.0.113.7:5432/", "203.0.113.7"),
        ("a token HRKU-known-beforehand in a sentence", "HRKU-known"),
        ({"HRKU-known-beforehand": 1}, "HRKU-known"),
    ],
)
def test_what_must_not_be_shown_is_hidden(value: Any, hidden: str) -> None:
    """Wherever it stands: in a URL, under a key, in a sentence, as a key."""
    redactor = Redactor()
    redactor.know("HRKU-known-beforehand")
    assert hidden not in json.dumps(redactor.shown(value))


def test_what_the_probe_is_about_stays() -> None:
    """Codes, statuses, versions, parameters, our own names, links to documentation: they are what it is for."""
    value = {
        "id": "invalid_params",
        "url": "https://devcenter.heroku.com/articles/platform-api-reference#rate-limits",
        "rds.force_ssl": "1",
        "EngineVersion": "18.4",
        "DBInstanceClass": "db.t4g.micro",
        "CidrIp": "0.0.0.0/0",
        "ManageMasterUserPassword": True,
        "name": "pgcutover-probe-0123abcd",
        "uuid": "53d29bd1-6a6d-48d6-9308-23321e82f632",
        "price": {"cents": 500},
    }
    assert value == Redactor().shown(value)


def test_values_of_config_vars_are_never_shown() -> None:
    """Not of any variable, however harmless its name; that one is set, and its name, are shown."""
    shown = Redactor().shown({"LANG": "en_US.UTF-8", "GONE": None}, path="/apps/acme/config-vars")
    assert {"LANG": MASK, "GONE": None} == shown


def test_one_host_has_one_mark_in_a_transcript_and_another_in_the_next() -> None:
    """So one can follow it, and not guess it."""
    first, second = Redactor(), Redactor()
    host = "db.acme.example"
    assert first.text(host) == first.text(f"{host}")
    assert first.text(host) != first.text("other.acme.example")
    assert first.text(host) != second.text(host)


def test_a_transcript_is_its_owners_and_never_overwritten(tmp_path: Path) -> None:
    """0600 from its first byte; a file that is there stays as it is."""
    path = tmp_path / "seen.jsonl"
    before = os.umask(0)
    try:
        transcript = Transcript(path)
    finally:
        os.umask(before)
    transcript.aws("sts", "get_caller_identity", {}, {"Arn": "arn:aws:sts::1:assumed-role/r/ann"})
    transcript.close()
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert "ann" not in path.read_text()
    assert "get_caller_identity" == json.loads(path.read_text())["request"]["operation"]
    with pytest.raises(JournalError):
        Transcript(path)
