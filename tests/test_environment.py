"""scripts/venv.py: the virtual environment is where the lab's servers can be started from."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from types import ModuleType

import pytest

from pgcutover.lab import clusters

ROOT = Path(__file__).resolve().parent.parent
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs servers as somebody else")


@pytest.fixture
def venv() -> ModuleType:
    spec = util.spec_from_file_location("venv_place", ROOT / "scripts" / "venv.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A directory for a repository, in a place that everybody may enter."""
    with tempfile.TemporaryDirectory(prefix="pgcutover-checkout-", dir="/tmp") as made:
        directory = Path(made)
        directory.chmod(0o755)
        yield directory


@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_script_and_lab_ask_the_same_question(venv: ModuleType, checkout: Path, mode: int) -> None:
    """Both agree on which directories the servers' user can enter."""
    checkout.chmod(mode)
    assert clusters.may_enter(checkout) == venv.may_enter(checkout)


def test_script_and_lab_take_the_same_user(venv: ModuleType) -> None:
    """Both would run the servers as the same user."""
    user = venv.servers_user()
    assert clusters.run_as() == (user.pw_name if user else None)
    assert clusters.UNPRIVILEGED == venv.UNPRIVILEGED


def test_it_is_in_the_repository_where_that_can_be_entered(venv: ModuleType, checkout: Path) -> None:
    """Normally the environment is .venv."""
    assert checkout / ".venv" == venv.where(checkout)


@ROOT_ONLY
def test_it_is_elsewhere_where_the_repository_cannot_be_entered(
    venv: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout of root's own gets an environment outside, in a place that the servers' user can enter."""
    hidden = checkout / "root" / "repository"
    hidden.mkdir(parents=True)
    (checkout / "root").chmod(0o700)
    monkeypatch.setenv("XDG_CACHE_HOME", str(checkout / "root"))
    place = venv.where(hidden)
    assert Path("/var/tmp") == place.parent
    assert place != venv.where(checkout / "root")
    cache = checkout / "cache"
    cache.mkdir(mode=0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    assert cache == venv.where(hidden).parent


@ROOT_ONLY
def test_a_directory_of_somebody_else_is_not_taken(venv: ModuleType, checkout: Path) -> None:
    """What another user put where the environment would be is refused, for root would run what is in it."""
    planted = checkout / "pgcutover-venv-x"
    planted.mkdir()
    os.chown(planted, 65534, 65534)
    with pytest.raises(SystemExit, match="belongs to somebody else"):
        venv._take(planted)
    link = checkout / "pgcutover-venv-y"
    link.symlink_to(planted)
    with pytest.raises(SystemExit, match="belongs to somebody else"):
        venv._take(link)


def test_it_speaks_only_two_words() -> None:
    """Anything but `where` and `make` prints the help and fails."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "venv.py"), "clean"], capture_output=True, text=True, check=False
    )
    assert (1, True) == (done.returncode, "venv.py where" in done.stderr)
