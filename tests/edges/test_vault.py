"""Saved values are 0600, durable, and never half written."""

import stat
from pathlib import Path

import pytest

from pgcutover.edges.vault import Vault
from pgcutover.errors import JournalError
from pgcutover.facts.names import Secret


def test_values_come_back_and_only_their_owner_may_read_the_file(tmp_path: Path) -> None:
    """What was put is got by another Vault on the same file, whose mode is 0600."""
    path = tmp_path / "state" / "vault.json"
    Vault(path).put({"config/a/X": Secret("1"), "config/b/Y": Secret("2")})
    assert Secret("1") == Vault(path).get("config/a/X")
    assert ("config/a/X",) == Vault(path).keys("config/a/")
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_forgetting_a_prefix_leaves_the_rest(tmp_path: Path) -> None:
    """forget removes the keys under a prefix and no others."""
    vault = Vault(tmp_path / "vault.json")
    vault.put({"config/a/X": Secret("1"), "other": Secret("2")})
    vault.forget("config/")
    assert (None, Secret("2")) == (vault.get("config/a/X"), vault.get("other"))


def test_a_damaged_file_is_an_error_not_an_empty_vault(tmp_path: Path) -> None:
    """A file that is not JSON is never read as "nothing saved"."""
    path = tmp_path / "vault.json"
    path.write_text("{")
    with pytest.raises(JournalError):
        Vault(path).get("x")
