"""`pgcutover rights probe`, before there is a pgcutover.toml."""

import json
import subprocess
import sys
from pathlib import Path

from pgcutover.errors import ConfigError


def rights(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    typed = [sys.executable, "-m", "pgcutover", "rights", *words]
    return subprocess.run(typed, cwd=place, capture_output=True, text=True, check=False)


def test_a_probes_rights_need_no_configuration(tmp_path: Path) -> None:
    """As the probe itself: its policy names its own things, in every Region. Those of a move need one."""
    policy = json.loads(rights(tmp_path, "probe", "--policy").stdout)
    named = [on for statement in policy["Statement"] for on in statement["Resource"]]
    assert "arn:aws:rds:*:*:db:pgcutover-probe-*" in named
    assert not [on for on in named if on.endswith((":probe", "/probe"))]
    assert ConfigError.exit_code == rights(tmp_path, "prepare").returncode
