"""Writes the parts of docs/ (or of a copy, named as argument) that come from the code: `make docs`.

tests/test_docs.py fails when they are not current. A part stands between `<!-- made from NAME -->` and `<!-- end -->`;
everything else on a page is a person's.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from shapes import shapes

from pgcutover import errors
from pgcutover.lab.heroku.rules import ASSUMPTIONS as HEROKU
from pgcutover.lab.rds.assumptions import ASSUMPTIONS as AWS
from pgcutover.running.state import StepState, diagram
from pgcutover.steps.history import Outcome

DOCS = Path(__file__).resolve().parent.parent / "docs"
PART = re.compile(r"(<!-- made from ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def current(page: str) -> str:
    """A page with its made parts written anew."""
    return PART.sub(lambda found: f"{found[1]}{MAKERS[found[2]]().strip()}\n{found[3]}", page)


def _states() -> str:
    rows = "\n".join(f"| `{state}` | it {state.phrase} |" for state in StepState)
    return f"| state | meaning |\n|---|---|\n{rows}\n\n```mermaid\n{diagram().strip()}\n```"


def _outcomes() -> str:
    rows = "\n".join(f"| `{outcome}` | {outcome.phrase} |" for outcome in Outcome)
    return f"| outcome | meaning |\n|---|---|\n{rows}"


def _tree() -> str:
    lines = [line[4:] for line in (errors.__doc__ or "").splitlines() if line.startswith("    ")]
    return "\n".join(["```text", *lines, "```"])


def _assumptions(held: Mapping[str, str]) -> str:
    return "\n".join(f"- **{number}**: {text.rstrip('.')}." for number, text in held.items())


def _figures() -> str:
    """What `python -m bench --json` printed, as kept in docs/performance.jsonl."""
    lines = [
        "| shape | MB | floor | pgcutover | pgcopydb, best | pg_dump, best | times the floor | memory | own share |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for line in (DOCS / "performance.jsonl").read_text("utf-8").splitlines():
        shape = json.loads(line)
        ratios, peers = shape["ratio_to_peers"], shape["peers_s"]
        cells = [f"{shape['shape']}: {shape['title']}", str(shape["database_mb"]), f"{shape['floor_s']:.1f} s"]
        cells.append(f"**{shape['pgcutover_s']:.1f} s**")
        cells += [
            f"{peers[name]:.1f} s ({ratios[name]:.2f} ×)" if name in peers else "not run"
            for name in ("pgcopydb best", "pg_dump best")
        ]
        cells += [f"{shape['ratio_to_floor']:.2f}", f"{shape['rss_mb']} MB", f"{shape['tool_cpu_share']:.0%}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


MAKERS: Mapping[str, Callable[[], str]] = {
    "the states": _states,
    "the outcomes": _outcomes,
    "the errors": _tree,
    "the shapes": shapes,
    "the figures": _figures,
    "the assumptions on Heroku": lambda: _assumptions(HEROKU),
    "the assumptions on AWS": lambda: _assumptions(AWS),
}


if __name__ == "__main__":
    for path in sorted((Path(sys.argv[1]) if sys.argv[1:] else DOCS).glob("*.md")):
        before = path.read_text("utf-8")
        after = current(before)
        if after != before:
            path.write_text(after, "utf-8")
            sys.stdout.write(f"{path.name} written anew\n")
