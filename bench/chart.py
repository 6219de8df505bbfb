"""The docs' chart: `python -m bench.chart FIGURES SVG`, from what `python -m bench --json` printed.

One group of bars for each shape, as seconds of the floor: what the servers themselves need is 1. It draws nothing that
is not among the figures.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

WIDTH, LEFT, BAR, GAP, TOP = 860, 250, 15, 26, 64
COLOURS = {"the floor": "#9aa5b1", "pgcutover": "#1f6feb", "pgcopydb best": "#c98b2b", "pg_dump best": "#8a5a83"}
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.n{font-size:12px;fill:#57606a}.t{font-size:16px;font-weight:600}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.n{fill:#9198a1}}"
)


def figures(path: Path) -> list[dict[str, Any]]:
    """One for each shape, in the file's order."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def bars(shape: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Times of the floor, and seconds, by whose they are; the floor first. Times are taken round by round, as in the
    figures, so they are not quite what the medians' quotient would be."""
    ours = shape["ratio_to_floor"]
    best = {
        name: (ours * shape["ratio_to_peers"][name], seconds)
        for name, seconds in shape["peers_s"].items()
        if name in COLOURS
    }
    return {"the floor": (1.0, shape["floor_s"]), "pgcutover": (ours, shape["pgcutover_s"]), **best}


def svg(shapes: list[dict[str, Any]]) -> str:
    """The whole picture."""
    longest = max(times for shape in shapes for times, _ in bars(shape).values())
    scale = (WIDTH - LEFT - 190) / longest
    height = TOP + sum(len(bars(shape)) * (BAR + 3) + GAP for shape in shapes)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            'aria-label="Time of a whole copy beside what the servers themselves need">',
            f"<style>{STYLE}</style>",
            '<text x="12" y="24" class="t">A whole copy, as times of what the servers themselves need</text>',
            '<text x="12" y="44" class="n">median of the rounds, two servers and all programs on one machine; '
            "shorter is better</text>",
            *_groups(shapes, scale),
            "</svg>",
            "",
        ]
    )


def _groups(shapes: list[dict[str, Any]], scale: float) -> Iterator[str]:
    y = TOP
    for shape in shapes:
        title = shape["title"].split(":")[-1].strip()
        yield f'<text x="12" y="{y + 12}">{escape(shape["shape"])}: {escape(title[:32])}</text>'
        yield f'<text x="12" y="{y + 28}" class="n">{shape["database_mb"]} MB, floor {shape["floor_s"]} s</text>'
        for name, (times, seconds) in bars(shape).items():
            width = times * scale
            yield f'<rect x="{LEFT}" y="{y}" width="{width:.0f}" height="{BAR}" rx="2" fill="{COLOURS[name]}"/>'
            yield (
                f'<text x="{LEFT + width + 6:.0f}" y="{y + 12}" class="n">'
                f"{escape(name)} {seconds:.1f} s, {times:.2f}</text>"
            )
            y += BAR + 3
        y += GAP


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(svg(figures(Path(sys.argv[1]))), "utf-8")
