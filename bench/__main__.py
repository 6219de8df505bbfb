"""`python -m bench`: `pgcutover copy` beside its peers and beside the machine's floor, in one run, on one machine.

Runs alternate, so that a machine that slows down slows all of them; what counts are ratios within a round, of which the
median is printed. See bench/README.md for what the figures mean and do not.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.floor import floor_s
from bench.shapes import SHAPES, Shape
from bench.tools import Run, Tool, ours, peers, run
from bench.world import Pair, majors, pair

PLACE = "/var/tmp"
VERSION = 1


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    asked.add_argument("shapes", nargs="*", default=["a"], metavar="SHAPE", help="a to e; a when none is named")
    asked.add_argument("--size", type=float, default=1.0, help="factor of the full size")
    asked.add_argument("--repeats", type=int, default=3, choices=range(1, 100), metavar="N")
    asked.add_argument("--only-ours", action="store_true", help="no peers: to see whether a change made it slower")
    asked.add_argument("--peers", default="", metavar="WORD", help="only those with this word in their names")
    asked.add_argument("--jobs", type=int, nargs="*", default=[None], help="ours with each of these")
    asked.add_argument("--no-floor", action="store_true")
    asked.add_argument("--majors", type=int, nargs=2, default=majors(), metavar=("SOURCE", "TARGET"))
    asked.add_argument("--json", action="store_true", help="one JSON object for each shape, a line each")
    wanted = asked.parse_args()
    if unknown := [letter for letter in wanted.shapes if letter not in SHAPES]:
        asked.error(f"no shape {unknown[0]}; there are {', '.join(SHAPES)}")
    with (
        tempfile.TemporaryDirectory(prefix="pgcutover-bench-", dir=PLACE) as made,
        pair(Path(made), source=wanted.majors[0], target=wanted.majors[1]) as servers,
    ):
        for letter in wanted.shapes:
            measured = _measured(servers, SHAPES[letter], wanted)
            sys.stdout.write(json.dumps(measured) + "\n" if wanted.json else _text(measured))
            sys.stdout.flush()
    return 0


def _measured(servers: Pair, shape: Shape, wanted: argparse.Namespace) -> dict[str, Any]:
    servers.build(shape, wanted.size)
    others = [] if wanted.only_ours else [tool for tool in peers(servers) if wanted.peers in tool.name]
    tools = [*(ours(jobs) for jobs in wanted.jobs), *others]
    rounds, floors = [], []
    for number in range(wanted.repeats):
        if not wanted.no_floor:
            floors.append(floor_s(servers, shape))
        # Nobody always comes first, or after the same one; each time the same order, so that a round can be repeated.
        order = random.Random(number).sample(tools, len(tools))
        rounds.append({tool.name: _said(run(tool, servers, shape), tool) for tool in order})
    runs = {tool.name: [done[tool.name] for done in rounds] for tool in tools}
    return _figures(servers, shape, wanted, floors=floors, runs=runs)


def _said(done: Run, tool: Tool) -> Run:
    sys.stderr.write(f"{tool.name}: {done.seconds:.1f} s\n")
    return done


def _figures(
    servers: Pair,
    shape: Shape,
    wanted: argparse.Namespace,
    *,
    floors: list[dict[str, float]],
    runs: dict[str, list[Run]],
) -> dict[str, Any]:
    seconds = {name: [done.seconds for done in each] for name, each in runs.items()}
    middle = {name: statistics.median(each) for name, each in seconds.items()}
    mine, others = next(iter(runs)), {n: s for n, s in middle.items() if not n.startswith("pgcutover")}
    ratios = {name: _ratio(seconds[name], seconds[mine]) for name in others}
    best = {
        f"{family} best": min((name for name in others if name.startswith(family)), key=lambda name: ratios[name])
        for family in ("pgcopydb", "pg_dump")
        if any(name.startswith(family) for name in others)
    }
    our_runs = runs[mine]
    figures: dict[str, Any] = {
        "version": VERSION,
        "shape": shape.letter,
        "title": shape.title,
        "size": wanted.size,
        "majors": list(wanted.majors),
        "cores": len(os.sched_getaffinity(0)),
        "database_mb": round(servers.data_bytes(shape) / 1e6),
        "floor_s": round(statistics.median(floor["floor"] for floor in floors), 2) if floors else None,
        "floor_parts_cpu_s": {
            part: round(statistics.median(floor[part] for floor in floors), 2)
            for part in (floors[0] if floors else ())
            if part != "floor"
        },
        "pgcutover_s": round(middle[mine], 2),
        "peers_s": {**{family: round(middle[name], 2) for family, name in best.items()}, **_rounded(others)},
        "spread_s": {name: [round(each, 2) for each in all_of] for name, all_of in seconds.items()},
        "rss_mb": round(max(done.rss_mb for done in our_runs)),
        "tool_cpu_share": round(
            statistics.median(d.tool_cpu_s / (d.tool_cpu_s + d.servers_cpu_s) for d in our_runs), 3
        ),
        "servers_cpu_s": round(statistics.median(d.servers_cpu_s for d in our_runs), 2),
        "ratio_to_peers": {**{family: round(ratios[name], 2) for family, name in best.items()}, **_rounded(ratios)},
    }
    each = [floor["floor"] for floor in floors]
    # At a tiny size there is nothing to hold anything against.
    if floors and min(each) > 0:
        figures["spread_s"] = {"floor": [round(one, 2) for one in each], **figures["spread_s"]}
        figures["ratio_to_floor"] = round(_ratio(seconds[mine], each), 2)
    return figures


def _ratio(theirs: list[float], ours_: list[float]) -> float:
    """How many times as long as ours, round by round; the median: a machine's speed drifts between rounds."""
    return statistics.median(t / o for t, o in zip(theirs, ours_, strict=True))


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(figure, 2) for name, figure in figures.items()}


def _text(figures: dict[str, Any]) -> str:
    head = f"shape {figures['shape']}: {figures['title']}, {figures['database_mb']} MB, {figures['cores']} cores"
    lines = [head, f"  {'floor':24} {figures['floor_s'] or '-':>8} s  {figures['floor_parts_cpu_s']}"]
    middle = {"pgcutover": figures["pgcutover_s"], **figures["peers_s"]}
    for name, seconds in middle.items():
        each = figures["spread_s"].get(name)
        lines.append(f"  {name:24} {seconds:>8} s  {'' if each is None else each}")
    lines.append(
        f"  memory {figures['rss_mb']} MB, the tool's share of processor time {figures['tool_cpu_share']:.1%}, "
        f"servers {figures['servers_cpu_s']} s, to the floor {figures.get('ratio_to_floor', '-')}, "
        f"to peers {figures['ratio_to_peers']}"
    )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
