"""What `probe` would do, what it found, and what it removed."""

from rich.console import Group, RenderableType
from rich.text import Text

from pgcutover.app.probe import Cleaned, ProbeDone, Proposal
from pgcutover.faces.figures import counted
from pgcutover.faces.render.parts import heading, indented, lines, row, table
from pgcutover.planning.predictions import Finding, Verdict, numbers_of

STYLES = {
    Verdict.AS_PREDICTED: "green",
    Verdict.OTHERWISE: "bold red",
    Verdict.NOT_LOOKED: "bold yellow",
    Verdict.UNSEEN: "dim",
}


def probed(done: ProbeDone) -> RenderableType:
    """Predicted against seen, one row a number; then the count, the transcript and what is left."""
    shown = table("", "verdict", "predicted", "seen")
    for finding in done.findings:
        verdict = Text(finding.verdict.value, style=STYLES[finding.verdict])
        row(shown, finding.number, verdict, finding.expects or finding.says, _seen(finding))
    counts = [(verdict, len(numbers_of(done.findings, verdict))) for verdict in Verdict]
    removed = "Everything that was made is removed." if done.removed else f"NOT removed: {done.left}"
    return Group(
        heading("Predicted against seen", done.name),
        Text(),
        shown,
        Text(),
        Text("; ".join(f"{verdict.value}: {count}" for verdict, count in counts if count)),
        Text(removed),
        Text(f"Transcript, without secrets: {done.transcript}"),
    )


def _seen(finding: Finding) -> str:
    same = finding.verdict is Verdict.AS_PREDICTED
    return " · ".join(part for part in ("the same" if same else finding.seen, finding.detail) if part)


def probe_proposal(proposal: Proposal) -> RenderableType:
    """Cost first, then every call."""
    seen = [look for look in proposal.looks if not look.unseen]
    unseen = [look for look in proposal.looks if look.unseen]
    return Group(
        heading("What it costs", proposal.region),
        indented(lines(proposal.costs)),
        Text(),
        heading("What would be called", f"{counted(len(seen), 'look')}; nothing was"),
        indented(lines(f"{look.number}: {look.says} {look.how}" for look in seen)),
        Text(),
        heading("What no probe can see"),
        indented(lines(f"{look.number}: {look.says} {look.unseen}" for look in unseen)),
    )


def probe_cleaned(cleaned: Cleaned) -> RenderableType:
    if not cleaned.names:
        return Text("No probe of this directory has left anything.")
    return Text(f"Removed what was left of {', '.join(cleaned.names)}.")
