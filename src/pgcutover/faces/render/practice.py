"""The lab and the demo: what runs, what the ledger says, how the demo ended."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Group, RenderableType
from rich.text import Text

from pgcutover.faces.figures import count, counted, duration, listed
from pgcutover.faces.render.back import AS_BEFORE
from pgcutover.faces.render.parts import facts, heading, lines, row, table
from pgcutover.faces.render.run import closing
from pgcutover.faces.wording import proof_sentence

if TYPE_CHECKING:
    from pgcutover.app.lab import DemoResult


class Server(Protocol):
    """One PostgreSQL server of a lab."""

    @property
    def name(self) -> str: ...
    @property
    def major(self) -> int: ...
    @property
    def port(self) -> int: ...
    @property
    def running(self) -> bool: ...


class Lab(Protocol):
    """What of a lab is there."""

    @property
    def directory(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def size(self) -> str: ...
    @property
    def speed(self) -> float | None: ...
    @property
    def urls(self) -> Mapping[str, str]: ...
    @property
    def servers(self) -> Sequence[Server]: ...
    @property
    def processes(self) -> Mapping[str, int]: ...


def lab_status(lab: Lab) -> RenderableType:
    """What of a lab runs, and where."""
    pace = f", {lab.speed:g} times as fast as real life" if lab.speed else ""
    daemon = f"pid {lab.pid}" if lab.pid else "no process"
    about = [("Size", f"{lab.size or 'unknown'}{pace}"), ("Daemon", daemon)]
    about += [(name, url) for name, url in lab.urls.items()]
    about += [("Processes", listed([f"{name} {pid}" for name, pid in sorted(lab.processes.items())]))]
    made = table("server", "PostgreSQL", "port", "state", right=("PostgreSQL", "port"))
    for server in lab.servers:
        row(made, server.name, str(server.major), str(server.port), "running" if server.running else "stopped")
    return Group(heading(f"Lab in {lab.directory}: {lab.state}"), facts(about), Text(), made)


def ledger(verdict: Mapping[str, Any]) -> RenderableType:
    """The verdict of the lab's own books, which know nothing of the migration's code."""
    good = not verdict["lost"] and not verdict["doubled"]
    sentence = (
        f"{count(verdict['acknowledged'])} acknowledged writes: {count(verdict['lost'])} lost, "
        f"{count(verdict['doubled'])} doubled"
    )
    outages = verdict["outage_s"]
    told = [("Users", "users"), ("Database", "database")]
    pairs = [(name, f"silent for {duration(outages[key])} in all since the lab began") for name, key in told]
    pairs += [(name, _place(app)) for name, app in verdict["apps"].items()]
    if verdict.get("unjudged"):
        pairs.append(("Not judged", f"{count(verdict['unjudged'])}: their app has no database at this moment"))
    return Group(Text(sentence, style="green" if good else "bold red"), facts(pairs))


def demo(result: "DemoResult") -> RenderableType:
    """The end of the demo: the move, the ledger's verdict, the way back."""
    parts: list[RenderableType] = [heading("The move"), closing(result.moved), Text(), heading("The ledger's verdict")]
    parts.append(ledger(result.ledger))
    if result.returned is not None:
        parts += [Text(), heading("The way back"), *_way_back(result)]
    parts += [Text(), facts([("Report", str(result.report)), ("All of it", duration(result.seconds))])]
    return Group(*parts)


def _way_back(result: "DemoResult") -> Sequence[RenderableType]:
    summary = result.returned
    if summary is None:
        return ()
    parts: list[RenderableType] = [Text(summary.phrase)]
    changed = sum(s.inserted + s.updated + s.deleted for s in summary.salvaged)
    if changed:
        words = f"{counted(changed, 'row')} of {counted(len(summary.salvaged), 'table')}"
        parts.append(Text(f"{words} written to the new database meanwhile, exported to {summary.salvage_directory}"))
        parts.append(_left_behind(result))
    parts.append(lines(result.left) if result.left else Text(AS_BEFORE, style="green"))
    parts.append(Text(f"proof of the move: {proof_sentence(summary.proof)}"))
    return parts


def _left_behind(result: "DemoResult") -> RenderableType:
    behind, missing = len(result.left_behind), len(result.not_exported)
    told = f"{counted(behind, 'acknowledged write')} made there since the lift"
    if missing:
        return Text(f"{told}: {count(missing)} are NOT in the export", style="bold red")
    return Text(f"{told}, as the ledger says: each is in the export", style="green")


def _place(app: Mapping[str, Any]) -> str:
    formation = listed([f"{kind}={number}" for kind, number in app["formation"].items()], "no dyno")
    return f"on {app['database']}, maintenance {'on' if app['maintenance'] else 'off'}, {formation}"
