"""The docs say everything that the program has: commands, flags, errors, keys, words; and nothing that is not there."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from pydantic import BaseModel

from pgcutover import errors
from pgcutover.app.comparison import ComparisonVerdict
from pgcutover.config import (
    AppChoices,
    ConfigFile,
    EnvironmentChoices,
    HostChoices,
    Surroundings,
    TargetChoices,
    Tools,
    read_config,
)
from pgcutover.faces.cli import cli
from pgcutover.running.state import StepState
from pgcutover.running.step import Verdict
from pgcutover.steps.history import Outcome

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
TEXT = [*PAGES, ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md"]
MODELS: tuple[type[BaseModel], ...] = (ConfigFile, Tools, EnvironmentChoices, AppChoices, TargetChoices, HostChoices)


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text("utf-8")


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command with its words; groups are gone through."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(path), command
    else:
        for name, one in inner.items():
            yield from commands(one, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(cli)))


def flags(command: Any) -> set[str]:
    options = [p for p in command.params if p.param_type_name == "option"]
    return {o for p in options for o in (*p.opts, *p.secondary_opts)}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_described(name: str) -> None:
    """docs/commands.md has each command, and the README each that a move needs."""
    assert f"`{name}" in page("commands") or f"`pgcutover {name}" in page("commands")
    if not name.startswith(("lab", "demo")):
        assert f"`pgcutover {name}" in (ROOT / "README.md").read_text("utf-8")


def test_every_flag_is_described_and_every_flag_described_exists() -> None:
    """docs/commands.md names each option of each command, and none that no command has."""
    known = set().union(*(flags(command) for command in COMMANDS.values())) | {"--help"}
    described = set(re.findall(r"`(--[a-z-]+)", page("commands")))
    assert known == described


def test_commands_in_the_docs_exist_with_their_flags() -> None:
    """Wherever a page shows `pgcutover …`, the command exists, and so do the options that are shown."""
    shown = 0
    for path in TEXT:
        for line in re.findall(r"pgcutover ((?:[a-z]+)(?: [^`\n#|]*)?)", code_of(path)):
            words = line.split()
            name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in COMMANDS), None)
            if name is None and words[0] in ("lab", "host"):
                continue
            assert name is not None, f"{path.name}: pgcutover {line}"
            assert {w.split("=")[0] for w in words if w.startswith("--")} <= flags(COMMANDS[name]) | {"--help"}, line
            shown += 1
    assert shown > 40


def code_of(path: Path) -> str:
    """What a page shows as code."""
    text = path.read_text("utf-8")
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    return "\n".join([*fenced, *inline])


def error_classes() -> list[type[errors.PgcutoverError]]:
    found = [errors.PgcutoverError]
    for known in found:
        found.extend(known.__subclasses__())
    return [e for e in found if e.__module__ == errors.__name__]


def test_every_error_is_described_with_its_exit_code() -> None:
    """docs/errors.md has a row for each class, with the code that the class has, and no other row."""
    rows = dict(re.findall(r"^\| (\d+) \| `(\w+)` \|", page("errors"), re.MULTILINE))
    assert {str(e.exit_code): e.__name__ for e in error_classes()} == rows


def test_no_error_takes_a_verdicts_exit_code() -> None:
    """0 to 3 are only ever verdicts of a comparison, and each class has a code of its own."""
    codes = [e.exit_code for e in error_classes()]
    assert len(codes) == len(set(codes))
    assert set() == set(codes) & {int(v) for v in ComparisonVerdict}


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_every_key_is_described(model: type[BaseModel]) -> None:
    """docs/configuration.md has a row for each key of the file."""
    rows = set(re.findall(r"^\| `(\w+)` \|", page("configuration"), re.MULTILINE))
    assert set() == set(model.model_fields) - rows


def test_every_key_described_exists() -> None:
    """No page row describes a key that the file does not know."""
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", page("configuration"), re.MULTILINE))
    assert set() == rows - set().union(*(model.model_fields for model in MODELS))


def test_the_example_configuration_is_valid(tmp_path: Path) -> None:
    """The file that docs/configuration.md shows can be read."""
    shown = re.search(r"^```toml\n(.*?)^```", page("configuration"), re.DOTALL | re.MULTILINE)
    assert shown is not None
    file = tmp_path / "pgcutover.toml"
    file.write_text(shown[1])
    assert "production" == read_config(file, None, Surroundings.read({})).environment


@pytest.mark.parametrize("word", [*StepState, *Outcome, *Verdict])
def test_every_state_is_in_the_glossary(word: str) -> None:
    """The words for states, outcomes and verdicts are explained where people look for words."""
    assert f"`{word}`" in page("glossary")


def test_made_parts_are_current(tmp_path: Path) -> None:
    """What scripts/docs.py writes into the pages stands there: run `make docs` after a change."""
    for path in PAGES:
        (tmp_path / path.name).write_text(path.read_text("utf-8"), "utf-8")
    made = subprocess.run(
        [sys.executable, ROOT / "scripts" / "docs.py", tmp_path], capture_output=True, text=True, check=True
    )
    assert "" == made.stdout


def test_links_between_pages_lead_somewhere() -> None:
    """Every relative link names a file that is there."""
    broken = [
        f"{path.name}: {link}"
        for path in TEXT
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text("utf-8"))
        if not (path.parent / link).exists()
    ]
    assert [] == broken


def test_make_targets_in_the_docs_exist() -> None:
    """Every `make …` that a page shows is a target."""
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    shown = {m for path in TEXT for m in re.findall(r"^make ([a-z-]+)", code_of(path), re.MULTILINE)}
    assert {"demo", "test", "check"} <= shown
    assert set() == shown - targets


def test_help_works_without_a_configuration(tmp_path: Path) -> None:
    """`pgcutover --help` needs no file, no token and no network."""
    done = subprocess.run(
        [sys.executable, "-m", "pgcutover", "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode
    assert "migrate" in done.stdout
