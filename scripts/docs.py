"""Writes the parts of docs/ (or of a copy, named as argument) that come from the code: `make docs`.

tests/test_docs.py fails when they are not current. A part stands between `<!-- made from NAME -->` and `<!-- end -->`;
everything else on a page is a person's.
"""

import json
import re
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from shapes import shapes

from pgcutover import errors
from pgcutover.lab.heroku.rules import ASSUMPTIONS as HEROKU
from pgcutover.lab.rds.assumptions import ASSUMPTIONS as AWS
from pgcutover.planning import aws_rights
from pgcutover.planning.heroku_rights import NONE, SCOPES
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


def _rights_on_aws() -> str:
    """One row for each action: which commands need it, and on what."""
    commands = [command for command in SCOPES if command in aws_rights.COMMANDS]
    rows: dict[str, tuple[set[str], list[str]]] = {}
    for right in (*aws_rights.RIGHTS, *aws_rights.ASKED_BY_AWS):
        needing, grounds = rows.setdefault(right.action, (set(), []))
        needing.update(right.commands)
        needing.update(c for c, parts in aws_rights.COMPOSED.items() if not needing.isdisjoint(parts))
        why = f"{right.why} (" if right.why else ""
        names = [each for pattern in right.on for each in _PLACEHOLDERS.named(pattern)]
        on = ", ".join(f"`{name.split(':', 5)[-1]}`" for name in names) or "the master's secret"
        tags = " tagged as ours" if right.when and right.when[0][1] == "{owner}" else ""
        grounds.append(f"{why}{on}{tags}{')' if why else ''}")
    lines = [f"| action | {' | '.join(f'`{c}`' for c in commands)} | on |", f"|---|{'---|' * len(commands)}---|"]
    for action, (needing, grounds) in sorted(rows.items()):
        marks = " | ".join("×" if command in needing else "" for command in commands)
        lines.append(f"| `{action}` | {marks} | {'; '.join(dict.fromkeys(grounds))} |")
    return "\n".join(lines)


def _policy(commands: Collection[str]) -> str:
    made = json.dumps(aws_rights.policy(commands, _PLACEHOLDERS), indent=2)
    return f"```json\n{made}\n```"


def _scopes() -> str:
    rows = "\n".join(
        f"| `{command}` | {scope if scope == NONE else f'`{scope}`'} | "
        f"{'its policy' if command in aws_rights.COMMANDS else 'none'} |"
        for command, scope in SCOPES.items()
    )
    return f"| command | Heroku | AWS |\n|---|---|---|\n{rows}"


_PLACEHOLDERS = aws_rights.Place.in_policy(region="REGION", app="APP", environment="production", account="ACCOUNT")

MAKERS: Mapping[str, Callable[[], str]] = {
    "the states": _states,
    "the outcomes": _outcomes,
    "the errors": _tree,
    "the shapes": shapes,
    "the figures": _figures,
    "the assumptions on Heroku": lambda: _assumptions(HEROKU),
    "the rights on AWS": _rights_on_aws,
    "the policy of a move": lambda: _policy(aws_rights.ON_TARGET),
    "the policy of destroy": lambda: _policy({aws_rights.DESTROY}),
    "the scopes": _scopes,
    "the assumptions on AWS": lambda: _assumptions(AWS),
}


if __name__ == "__main__":
    for path in sorted((Path(sys.argv[1]) if sys.argv[1:] else DOCS).glob("*.md")):
        before = path.read_text("utf-8")
        after = current(before)
        if after != before:
            path.write_text(after, "utf-8")
            sys.stdout.write(f"{path.name} written anew\n")
