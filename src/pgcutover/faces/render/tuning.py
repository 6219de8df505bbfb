"""What `tune` found."""

from rich.console import Group, RenderableType
from rich.text import Text

from pgcutover.app.tune import Tried, TuneDone
from pgcutover.faces.figures import counted, duration, rate, size
from pgcutover.faces.render.parts import heading, lines, row, table
from pgcutover.facts.building import SortMemory
from pgcutover.planning.trials import Setting

MEMORY = {SortMemory.AUTO: "chosen for each index", SortMemory.SERVER: "as the server is set"}


def tuned(done: TuneDone) -> RenderableType:
    """A table of what was tried, the winner and how to use it, and what no try has seen."""
    shown = table("jobs", "memory for sorts", "median", "fastest", "slowest", "tries", "", right=("jobs", "tries"))
    for tried in done.tried:
        row(shown, *_cells(tried, done))
    of = "" if done.bytes_copied == done.bytes_total else f" of {size(done.bytes_total)}"
    what = f"{size(done.bytes_copied)}{of} copied from {done.source} to the server of {done.target}"
    parts: list[RenderableType] = [
        heading("Tried", f"{what}, {counted(len(done.tries), 'time')}"),
        Text(),
        shown,
        Text(),
        Text(_verdict(done)),
    ]
    if done.plan:
        parts.append(Text(f"Written into {done.plan}: pgcutover migrate takes it."))
    else:
        parts.append(Text(f"Use it: {done.command}"))
    notes = list(done.left_out)
    if done.skipped:
        notes.append(f"{', '.join(map(str, done.skipped))} jobs: the servers have no connections for so many")
    if notes:
        parts += [Text(), heading("Not tried"), lines(notes)]
    if done.removed:
        parts += [Text(), Text(f"Dropped what an earlier try had left behind: {', '.join(done.removed)}")]
    return Group(*parts)


def _cells(tried: Tried, done: TuneDone) -> tuple[str, ...]:
    mark = "best" if tried.setting == done.best else ""
    times = (duration(tried.median_s), duration(tried.fastest_s), duration(tried.slowest_s))
    return str(tried.setting.jobs), MEMORY[tried.setting.sort_memory], *times, str(tried.tries), mark


def _verdict(done: TuneDone) -> str:
    if not done.faster:
        return f"No setting is clearly faster than {_words(done.usual)}: it stays."
    seconds = {tried.setting: tried.median_s for tried in done.tried}
    speed = rate(done.bytes_copied, seconds[done.best])
    faster = seconds[done.usual] / seconds[done.best] - 1
    return f"Fastest: {_words(done.best)}, {speed}, {faster:.0%} faster than {_words(done.usual)}."


def _words(setting: Setting) -> str:
    memory = "" if setting.sort_memory is SortMemory.AUTO else " with the server's own memory for sorts"
    return f"{counted(setting.jobs, 'job')}{memory}"
