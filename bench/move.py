"""`python -m bench.move`: one move in a lab, timed step by step. bench/README.md says what the figures mean.

It starts the program as a person would and reads `status --json`; it has no timing of its own but the wall clock.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PLACE = "/var/tmp"


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m bench.move", description="Time a move in a lab, step by step.")
    asked.add_argument("--size", choices=("small", "medium"), default="small", help="how much data the lab holds")
    asked.add_argument("--json", action="store_true", help="print one JSON document")
    wanted = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="pgcutover-bench-", dir=PLACE) as made:
        directory = Path(made)
        # The lab's servers have a user of their own, who must be able to enter.
        directory.chmod(0o755)
        begun_s = time.monotonic()
        demo = _pgcutover("demo", "--no-back", "--dir", str(directory / "lab"), "--size", wanted.size)
        wall_s = time.monotonic() - begun_s
        if demo.returncode != 0:
            sys.stderr.write(demo.stderr)
            return demo.returncode
        status = _pgcutover("status", "--json", "--config", str(directory / "lab" / "pgcutover.toml"))
        figures = _figures(json.loads(status.stdout), size=wanted.size, wall_s=wall_s)
    sys.stdout.write(json.dumps(figures, indent=2) + "\n" if wanted.json else _text(figures))
    return 0


def _pgcutover(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pgcutover", *words], capture_output=True, text=True, check=False)


def _figures(summary: dict[str, Any], *, size: str, wall_s: float) -> dict[str, Any]:
    steps = {step["name"]: step["actual_s"] for step in summary["steps"]}
    copy_s = steps.get("copy") or 0.0
    return {
        "version": 1,
        "size": size,
        "cores": os.cpu_count(),
        "wall_s": round(wall_s, 1),
        "outage_s": summary["outage"],
        "rows": summary["rows"],
        "bytes": summary["bytes"],
        "copy_mb_per_s": round(summary["bytes"] / copy_s / 1e6, 1) if copy_s else None,
        "steps_s": steps,
    }


def _text(figures: dict[str, Any]) -> str:
    lines = [f"{'step':28} seconds"]
    lines += [f"{name:28} {seconds:7.1f}" for name, seconds in figures["steps_s"].items() if seconds is not None]
    lines += [f"{key:28} {figures[key]}" for key in ("size", "cores", "wall_s", "rows", "bytes", "copy_mb_per_s")]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
