"""The page: what happened first, then the proof, then everything that somebody may ask for later, folded."""

import base64
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from importlib.resources import files

from pgcutover.faces.figures import count, duration, listed, moment, size
from pgcutover.faces.outages import DATABASE_FROM, USERS_FROM, planned_outage, spoken
from pgcutover.faces.report import timeline
from pgcutover.faces.report.markup import Markup, joined, tag
from pgcutover.faces.wording import (
    ABOVE,
    BELOW,
    DIGEST_DIGITS,
    PHASES,
    POINT_OF_NO_RETURN,
    VERDICTS,
    copied_sentence,
    plan_facts,
    proof_sentence,
    standing,
)
from pgcutover.steps.history import Outcome, RunSummary, StepSummary, TableProof

SHOWN_EQUAL = 12
"""More equal tables than these are folded: the eye looks for the ones that are not."""
GOOD = frozenset({Outcome.PREPARED, Outcome.LIFTED, Outcome.MOVED, Outcome.RETIRED})
SHOWN_ELSEWHERE = frozenset({"tables"})
"""Evidence that has a table of its own on the page."""


def html(summary: RunSummary) -> str:
    """The whole report as one HTML document."""
    title = f"{summary.environment}: {summary.phrase}"
    style = files(__package__).joinpath("style.css").read_text("utf-8")
    body = tag("main", _head(summary), *_sections(summary), _foot(summary))
    # Only this very style sheet may count, and nothing may be fetched or run, whatever a name in the database says.
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"pgcutover: {title}"),
        tag("style", Markup(style)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', body), lang='en')}\n"


def _head(summary: RunSummary) -> Markup:
    mood = "good" if summary.outcome in GOOD else "plain" if summary.outcome is Outcome.PLANNED else "care"
    source, target = summary.plan.decisions.source, summary.plan.decisions.target
    apps = listed([app.moves.app for app in summary.plan.decisions.apps])
    return tag(
        "header",
        tag("p", "pgcutover report", class_="eyebrow"),
        tag("h1", f"{apps}: from {source.addon} to RDS {target.instance}"),
        tag("p", tag("span", summary.outcome.value, class_=f"badge {mood}"), f" {summary.phrase}", class_="outcome"),
        tag("p", _when(summary), class_="aside"),
        _tiles(summary),
    )


def _when(summary: RunSummary) -> str:
    run = f"run {summary.run}, opened {moment(summary.opened_at)}" if summary.run else "not run yet"
    ended = f", ended {moment(summary.ended_at)}" if summary.ended_at else ""
    return f"Environment {summary.environment}; plan {summary.plan.digest[:DIGEST_DIGITS]}; {run}{ended}"


def _tiles(summary: RunSummary) -> Markup:
    estimates = {s.name: s.estimated_s for s in summary.steps if s.estimated_s is not None}
    users = spoken(planned_outage(summary.plan, estimates, since=USERS_FROM))
    database = spoken(planned_outage(summary.plan, estimates, since=DATABASE_FROM))
    tiles = [
        _tile("Users waited", duration(summary.outage.users_s), f"planned: {users}"),
        _tile("Database took no writes", duration(summary.outage.database_s), f"planned: {database}"),
        _tile("Copied", size(summary.bytes or None), f"{count(summary.rows)} rows" if summary.rows else "nothing yet"),
        _tile("Proof", _proof_word(summary.proof), proof_sentence(summary.proof)),
    ]
    return tag("div", *tiles, class_="tiles")


def _tile(label: str, figure: str, aside: str) -> Markup:
    return tag(
        "div", tag("p", label, class_="label"), tag("p", figure, class_="figure"), tag("p", aside), class_="tile"
    )


def _proof_word(proof: tuple[TableProof, ...]) -> str:
    if not proof:
        return "none yet"
    if all(t.equal for t in proof):
        return "equal"
    return "different" if any(t.equal is False for t in proof) else "incomplete"


def _sections(summary: RunSummary) -> Iterator[Markup]:
    yield _section("How things stand", _list(standing(summary)))
    if summary.next:
        yield _section("What to do next", _list(summary.next))
    yield _section("Timeline", _legend(summary), *_charts(summary), class_="wide")
    yield _section("Steps", tag("p", copied_sentence(summary), class_="aside"), *_steps(summary))
    yield _section("Proof", tag("p", proof_sentence(summary.proof)), *_proof(summary.proof))
    if summary.salvaged or summary.salvage_doubts:
        yield _section("Left on the new database, exported", *_salvaged(summary))
    if summary.stopped:
        yield _section("Stopped for the move, to be started again by hand", _list(summary.stopped))
    if summary.people:
        yield _section("Who", _list(summary.people))
    yield _section("What was decided", _facts(summary))
    if summary.plan.advice:
        yield _section("Advice given beforehand", _list(f"{a.what}. {a.hint}" for a in summary.plan.advice))


def _section(title: str, *children: str, class_: str | None = None) -> Markup:
    return tag("section", tag("h2", title), *children, class_=class_)


def _list(sentences: Iterable[str]) -> Markup:
    return tag("ul", *(tag("li", sentence) for sentence in sentences))


def _legend(summary: RunSummary) -> Markup:
    entries = [("planned", "planned"), ("actual", "actual")]
    entries += [("undo", "undoing")] if any(s.undo_s is not None for s in summary.steps) else []
    return tag("p", *(tag("span", words, class_=f"key {kind}") for kind, words in entries), class_="legend")


def _charts(summary: RunSummary) -> Iterator[Markup]:
    for title, chart in (
        ("The move", timeline.move(summary)),
        ("Going back", timeline.going_back(summary)),
        ("Preparation, days ahead", timeline.preparation(summary)),
        ("Afterwards, while the application is open", timeline.afterwards(summary)),
    ):
        if chart:
            yield tag("h3", title)
            yield chart


def _steps(summary: RunSummary) -> Iterator[Markup]:
    phase = None
    for number, step in enumerate(summary.steps):
        if step.phase != phase:
            phase = step.phase
            title, aside = PHASES[phase]
            yield tag("h3", f"{title.capitalize()} ", tag("small", aside))
        if number == summary.plan.lift:
            yield tag("p", tag("strong", POINT_OF_NO_RETURN), f" {ABOVE}; {BELOW}", class_="return")
        yield _step(number + 1, step)


def _step(number: int, step: StepSummary) -> Markup:
    times = f"{duration(step.actual_s)} of {duration(step.estimated_s)}"
    undone = tag("span", f"undone in {duration(step.undo_s)}") if step.undo_s is not None else ""
    head = tag(
        "summary",
        tag("span", str(number), class_="number"),
        tag("span", step.name, class_="name"),
        tag("span", step.state.value, class_=f"state {step.state.value}"),
        tag("span", step.title, class_="title"),
        tag("span", times, undone, class_="time"),
    )
    pairs = [
        ("Error", step.error),
        ("Found", step.detail),
        ("Began", moment(step.started_at)),
        ("Ended", moment(step.ended_at)),
        ("Took", f"{duration(step.actual_s)} (planned {duration(step.estimated_s)})"),
        ("Undo by hand", step.by_hand),
    ]
    evidence = {key: value for key, value in step.evidence.items() if key not in SHOWN_ELSEWHERE}
    inside = [_pairs((label, words) for label, words in pairs if words)]
    if evidence:
        inside.append(tag("pre", json.dumps(evidence, indent=2, sort_keys=True, ensure_ascii=False, default=str)))
    return tag("details", head, *inside, open=bool(step.error), class_="step")


def _pairs(pairs: Iterable[tuple[str, str]]) -> Markup:
    return tag("dl", *(joined(tag("dt", label), tag("dd", words)) for label, words in pairs))


def _proof(proof: tuple[TableProof, ...]) -> Iterator[Markup]:
    order = {False: 0, None: 1, True: 2}
    rows = sorted(proof, key=lambda t: (order[t.equal], t.table))
    equal = [t for t in rows if t.equal]
    fold = len(equal) > SHOWN_EQUAL
    shown = [t for t in rows if not (fold and t.equal)]
    if shown:
        yield _proof_table(shown)
    if fold:
        yield tag("details", tag("summary", f"{len(equal)} equal tables"), _proof_table(equal))


def _proof_table(proof: Iterable[TableProof]) -> Markup:
    kinds = {True: "equal", False: "different", None: "unknown"}
    rows = [
        (t.table, count(t.source_rows), count(t.target_rows), tag("span", VERDICTS[t.equal], class_=kinds[t.equal]))
        for t in proof
    ]
    return _table(("table", "source rows", "target rows", "verdict"), rows, amounts=(1, 2))


def _salvaged(summary: RunSummary) -> Iterator[Markup]:
    if summary.salvage_directory:
        yield tag("p", "Directory: ", tag("code", summary.salvage_directory))
    for doubt in summary.salvage_doubts:
        yield tag("p", tag("strong", doubt))
    rows = [(s.table, count(s.inserted), count(s.updated), count(s.deleted)) for s in summary.salvaged]
    yield _table(("table", "inserted", "updated", "deleted"), rows, amounts=(1, 2, 3))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, amounts: Collection[int]) -> Markup:
    """`amounts` are the columns that hold numbers."""

    def cells(name: str, words: Sequence[str]) -> Markup:
        return tag("tr", *(tag(name, w, class_="amount" if i in amounts else None) for i, w in enumerate(words)))

    return tag("table", tag("thead", cells("th", head)), tag("tbody", *(cells("td", row) for row in rows)))


def _facts(summary: RunSummary) -> Markup:
    estimates = {s.name: s.estimated_s for s in summary.steps if s.estimated_s is not None}
    pairs = [*plan_facts(summary.plan, estimates), ("Digest", summary.plan.digest)]
    pairs += [("Made", f"{moment(summary.plan.created_at)} by {summary.plan.made_by}")]
    return _pairs(pairs)


def _foot(summary: RunSummary) -> Markup:
    words = f"Made by pgcutover from the journal of {summary.environment}. All times are UTC."
    return tag("footer", tag("p", f"{words} No password, token or URL is in this page."))
