"""The report: complete, self-contained, and safe whatever a name in the database says."""

import base64
import hashlib
import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
import story

from pgcutover.faces import report
from pgcutover.faces.report.markup import joined, tag
from pgcutover.steps.history import RunSummary

EVIL = '<script>alert("1")</script><img src=x onerror=y>'
VOID = {"meta", "br", "rect", "line"}
LOADS = {"script", "link", "img", "iframe", "object", "embed", "audio", "video", "source", "use", "image", "a", "form"}
STOPPING = ("stop-dynos", "fence", "stop one-off and Scheduler dynos", "start them again by hand", 1)
STORIES = (story.moved, story.stopped, story.returned, story.planned)


class Page(HTMLParser):
    """Elements, texts and whether every element that was opened was closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_startendtag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, text: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", text))

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", " ".join(text for where, text in self.texts if where != "style"))

    def of_class(self, word: str) -> list[dict[str, str | None]]:
        return [a for _, a in self.elements if word in (a.get("class") or "").split()]


@pytest.fixture(params=STORIES, ids=lambda told: told.__name__)
def summary(request: pytest.FixtureRequest) -> RunSummary:
    made: RunSummary = request.param()
    return made


def test_the_page_is_well_formed(summary: RunSummary) -> None:
    """Every element is closed in its turn, whatever state the run is in."""
    assert [] == Page(report.html(summary)).open


def test_the_page_loads_and_runs_nothing(summary: RunSummary) -> None:
    """No element that could load or run anything, no address outside, no inline handler or style."""
    text = report.html(summary)
    page = Page(text)
    assert set() == {name for name, _ in page.elements} & LOADS
    assert set() == {key for _, attributes in page.elements for key in attributes if key.startswith(("on", "style"))}
    assert {"http://www.w3.org/2000/svg"} >= set(re.findall(r"https?://[^\s\"'<]+", text))
    assert "url(" not in text
    assert "@import" not in text


def test_the_policy_allows_this_very_style_and_nothing_else() -> None:
    """The Content-Security-Policy forbids everything but the style sheet with this digest."""
    page = Page(report.html(story.moved()))
    style = next(text for where, text in page.texts if where == "style")
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'" == policy


def test_what_comes_from_outside_is_only_text() -> None:
    """A table, an error, a person or a directory that looks like markup is shown as it is and never becomes any."""
    steps = tuple(
        s.model_copy(update={"title": EVIL, "detail": EVIL, "error": EVIL, "by_hand": EVIL, "evidence": {EVIL: EVIL}})
        for s in story.moved().steps
    )
    proof = tuple(p.model_copy(update={"table": EVIL}) for p in story.moved().proof)
    salvaged = tuple(s.model_copy(update={"table": EVIL}) for s in story.returned().salvaged)
    changes = {
        "steps": steps,
        "proof": proof,
        "salvaged": salvaged,
        "salvage_directory": EVIL,
        "people": (EVIL,),
        "next": (EVIL,),
        "environment": EVIL,
        "run": EVIL,
    }
    text = report.html(story.moved().model_copy(update=changes))
    page = Page(text)
    assert set() == {name for name, _ in page.elements} & LOADS
    assert [] == page.open
    assert EVIL in page.words
    assert "<script" not in text


def test_the_page_tells_the_whole_story() -> None:
    """Outages, figures, every step, every table, who confirmed, and the plan's digest are on the page."""
    summary = story.moved()
    words = Page(report.html(summary)).words
    for expected in (
        "11 min 10 s",
        "10 min 46 s",
        "planned: about 10 min 06 s",
        "1,290,215 rows",
        "30.1 GB",
        "3 tables equal",
        "audit.<events>",
        "prabhat@example.com confirmed the fence",
        "pgcutover retire, in two weeks",
        summary.plan.digest,
        *(step.name for step in summary.steps),
        *(step.by_hand for step in summary.steps),
    ):
        assert expected in words


def test_the_timeline_marks_outages_and_the_point_of_no_return() -> None:
    """Both outages are bands from their step to the end of the lift; the line stands where the lift begins."""
    page = Page(report.html(story.moved()))
    users, fence = page.of_class("users")[0], page.of_class("fence")[0]
    lift = next(a for name, a in page.elements if name == "line" and a.get("class") == "lift")

    def end(band: dict[str, str | None]) -> float:
        return float(band["x"] or 0) + float(band["width"] or 0)

    assert float(users["x"] or 0) < float(fence["x"] or 0) < float(lift["x1"] or 0) < end(users)
    assert end(users) == pytest.approx(end(fence), abs=0.02)
    assert "POINT OF NO RETURN" in page.words


def test_a_run_that_stopped_claims_no_end() -> None:
    """While the application is closed no outage is given as a time, and no point of no return was passed."""
    page = Page(report.html(story.stopped()))
    assert "users see the maintenance page: still" in page.words
    assert [] == [a for name, a in page.elements if name == "line" and a.get("class") == "lift"]
    assert 1 == len([a for a in page.of_class("failed") if a.get("rx")])
    assert "the connection to <acme-api> was lost" in page.words


def test_going_back_is_on_the_timeline_with_its_own_outage() -> None:
    """Every undone step has its bar, and users' second wait is drawn and named."""
    page = Page(report.html(story.returned()))
    undone = [s for s in story.returned().steps if s.undo_s is not None and s.phase != "after"]
    assert len(undone) == len([a for a in page.of_class("undo") if a.get("rx")])
    # From the lift's undoing to that of maintenance mode: nine steps of three seconds.
    assert "users see the maintenance page again: 27.0 s" in page.words
    assert "Left on the new database" in page.words


def test_going_back_days_later_leaves_the_move_readable() -> None:
    """The move's chart keeps its own scale, however much later the run went back."""
    told = story.tell()
    told.at += timedelta(days=3)
    for name, phase, *_ in reversed(story.STEPS):
        if phase in ("fence", "copy", "switch"):
            told.undone(name, 3)
    page = Page(report.html(story.summary(told, (story.LIFTED,))))
    widest = max(float(a["width"] or 0) for a in page.of_class("actual") if a.get("rx"))
    assert widest > 300
    assert "users see the maintenance page: 11 min 10 s" in page.words
    assert "users see the maintenance page again: 27.0 s" in page.words


def test_what_is_not_equal_comes_first_and_unfolded() -> None:
    """Of many tables, those that differ stand open at the top, and the equal ones are folded away."""
    equal = [{"table": f"public.t{i}", "source_rows": 1, "target_rows": 1, "equal": True} for i in range(30)]
    odd = {"table": "public.odd", "source_rows": 3, "target_rows": 2, "equal": False}
    dark = {"table": "public.dark", "source_rows": None, "target_rows": None, "equal": None}
    page = Page(report.html(story.summary(story.tell("verify", proof=[*equal, dark, odd]))))
    words = page.words
    assert words.index("public.odd") < words.index("public.dark") < words.index("30 equal tables")
    assert "30 tables equal; 1 different; 1 could not be verified" in words


def test_markup_is_only_what_was_made_here() -> None:
    """A plain string is escaped wherever it stands; attributes too; absent ones are left out."""
    assert '<p class="a&quot;b">&lt;i&gt;<b>x</b></p>' == tag("p", "<i>", tag("b", "x"), class_='a"b', id=None)
    assert "&amp;<b>x</b>" == joined("&", tag("b", "x"))
    assert '<rect x="1.5" stroke-width="2"/>' == tag("rect", x=1.5, stroke_width=2.0)


def test_dynos_that_were_stopped_at_a_later_look_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scheduler starts more of them after their step has ended; a person starts them again."""
    monkeypatch.setattr(story, "STEPS", (*story.STEPS[:5], STOPPING, *story.STEPS[5:]))
    noted = story.note("stopped dyno", {"app": story.APP, "dyno": "scheduler.7"})
    told = story.summary(story.tell(), (story.LIFTED, noted))
    [step] = [step for step in told.steps if step.name == "stop-dynos"]
    assert ("1 stopped", [f"{story.APP}/scheduler.7"]) == (step.detail, step.evidence["stopped"])
    assert "to be started again by hand" in report.html(told)
