"""What is seen while steps run: real runs of the real runner, on a real journal, watched by each face."""

import io
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
import story
from rich.console import Console

from pgcutover.edges.journal import SqliteJournal
from pgcutover.errors import CopyError
from pgcutover.faces import live
from pgcutover.faces.progress import CopyProgress, Pace, Watch, sentence
from pgcutover.facts.names import TableName
from pgcutover.running.runner import Runner
from pgcutover.running.state import StepState
from pgcutover.running.step import Before, Finding, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Toy:
    """A step that puts its name into a set."""

    name: str
    fails: bool = False
    lasts_s: float = 0.0
    keeps_target: bool = False

    def observe(self, world: set[str]) -> Before:
        return {}

    def do(self, world: set[str], before: Before) -> None:
        time.sleep(self.lasts_s)
        if self.fails:
            raise CopyError(f"{self.name} broke")
        world.add(self.name)

    def verify(self, world: set[str], before: Before) -> Finding:
        verdict = Verdict.WHOLE if self.name in world else Verdict.ABSENT
        return Finding(verdict=verdict, detail=f"{self.name} found", evidence={"secret": "not for the log"})

    def undo(self, world: set[str], before: Before) -> None:
        world.discard(self.name)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    with SqliteJournal(tmp_path / "journal.db") as opened:
        opened.open_run("r-1", "digest", {}, "elisha")
        yield opened


def runner(journal: SqliteJournal, watcher: live.Watcher, *steps: Toy) -> Runner[set[str]]:
    return Runner(steps, journal, "r-1", set(), (), watcher)


def file_console() -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, width=100, highlight=False), file


STEPS = (Toy(name="fence"), Toy(name="copy"), Toy(name="lift"))
FIGURES = SimpleNamespace(
    bytes_done=1_200_000,
    bytes_total=4_000_000,
    rows_done=3400,
    tables_done=5,
    tables_total=43,
    builds=(SimpleNamespace(table=TableName(schema="public", name="orders"), phase="sorting", share=0.4),),
)


def test_a_log_gets_a_line_for_each_event(journal: SqliteJournal) -> None:
    """What a step does, its undo by hand, its end with time and finding; the point of no return before the lift."""
    console, file = file_console()
    watcher = live.listener(console)
    watcher.know(story.plan(), story.ESTIMATES)
    runner(journal, watcher, *STEPS).forward()
    timeless = re.sub(r"in \d+\.\d s", "in 0.0 s", file.getvalue())
    lines = [re.sub(r"^\d\d:\d\d:\d\d", "T", line) for line in timeless.splitlines()]
    assert [
        "T fence: read-only, EXCLUSIVE locks, REVOKE on every table (planned 2.0 s)",
        "         undo by hand: the statements in BREAK-GLASS.md",
        "T fence done in 0.0 s: fence found",
        "T copy: copy every table, then build its indexes (planned 7 min 00 s)",
        "         undo by hand: truncate every table",
        "T copy done in 0.0 s: copy found",
        "T ======== POINT OF NO RETURN ========",
        "T lift: open the application (planned 20.0 s)",
        "         undo by hand: pgcutover rollback; new rows are exported",
        "T lift done in 0.0 s: lift found",
    ] == lines


def test_a_log_tells_of_failure_and_of_going_back(journal: SqliteJournal) -> None:
    """A failed step shows its error; an undone one says so."""
    console, file = file_console()
    watcher = live.listener(console)
    run = runner(journal, watcher, Toy(name="fence"), Toy(name="copy", fails=True))
    with pytest.raises(CopyError):
        run.forward()
    run.unwind()
    text = file.getvalue()
    assert "copy failed: copy broke" in text
    assert "undoing fence" in text
    assert "fence undone in" in text


def test_going_back_does_not_read_like_going_forward(journal: SqliteJournal) -> None:
    """The line that opens an undoing says that the step is taken back."""
    console, file = file_console()
    watcher = live.listener(console)
    watcher.know(story.plan(), story.ESTIMATES)
    run = runner(journal, watcher, Toy(name="maintenance"))
    run.forward()
    run.unwind()
    assert 'undoing maintenance: take back "maintenance mode on"' in file.getvalue()


def test_machines_get_one_object_a_line(journal: SqliteJournal) -> None:
    """Every line is a JSON object that names event, run, step and moment; no evidence is in it."""
    console, file = file_console()
    watcher = live.listener(console, json=True)
    watcher.know(story.plan(), story.ESTIMATES)
    runner(journal, watcher, *STEPS).forward()
    objects = [json.loads(line) for line in file.getvalue().splitlines()]
    assert ["step started", "step done"] * 3 == [o["event"] for o in objects]
    assert [2.0, 420.0, 20.0] == [o["planned_s"] for o in objects[::2]]
    assert {"r-1"} == {o["run"] for o in objects}
    assert "not for the log" not in file.getvalue()


@pytest.mark.parametrize("json_", [False, True])
@pytest.mark.parametrize("terminal", [False, True])
def test_a_broken_screen_does_not_stop_a_run(journal: SqliteJournal, *, json_: bool, terminal: bool) -> None:
    """When nothing can be written any more, the steps go on all the same."""
    file = io.StringIO()
    watcher = live.listener(Console(file=file, force_terminal=terminal), json=json_)
    watcher.copying(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    file.close()
    run = runner(journal, watcher, *STEPS)
    run.forward()
    watcher.close()
    assert dict.fromkeys(("fence", "copy", "lift"), StepState.DONE) == run.states()


def test_a_terminal_gets_the_figures_of_the_copy(journal: SqliteJournal) -> None:
    """While a copy runs its bytes, rows, tables and index builds are drawn, and the cursor is given back."""
    file = io.StringIO()
    watcher = live.listener(Console(file=file, force_terminal=True, width=140, color_system=None))
    assert isinstance(watcher, live.Screen)
    watcher.copying(lambda: FIGURES)
    runner(journal, watcher, Toy(name="copy", lasts_s=0.6)).forward()
    watcher.close()
    text = file.getvalue()
    assert "1.2 MB of 4.0 MB, 3,400 rows, 5 of 43 tables; index on orders: sorting 40%" in text
    assert "30%" in text
    hide, show = "\x1b[?25l", "\x1b[?25h"
    assert text.rindex(hide) < text.rindex(show)


def test_a_log_gets_the_figures_of_the_copy_now_and_then(journal: SqliteJournal) -> None:
    """A long copy leaves a line every so often, and none before anything is known."""
    console, file = file_console()
    watcher = live.Lines(console, say_every_s=0.05)
    watcher.copying(lambda: FIGURES)
    runner(journal, watcher, Toy(name="copy", lasts_s=0.5)).forward()
    assert "copy: 1.2 MB of 4.0 MB, 3,400 rows" in file.getvalue()


def test_a_log_gets_a_sign_of_life_from_a_step_that_lasts(journal: SqliteJournal) -> None:
    """A step that waits for somebody else says now and then that it goes on; a short one says nothing more."""
    console, file = file_console()
    watcher = live.Lines(console, goes_on_every_s=0.1)
    runner(journal, watcher, Toy(name="brief"), Toy(name="detach", lasts_s=0.5)).forward()
    assert "detach goes on: " in file.getvalue()
    assert "brief goes on" not in file.getvalue()


def test_figures_that_cannot_be_read_are_not_passed_over_in_silence(journal: SqliteJournal) -> None:
    """A line says that they could not be read, without the words of a foreign error, which may hold a URL."""

    def broken() -> CopyProgress:
        raise ValueError("postgres://u:s3cret@h/d")

    console, file = file_console()
    watcher = live.listener(console)
    watcher.copying(broken)
    runner(journal, watcher, Toy(name="copy", lasts_s=0.2)).forward()
    assert "the figures of the copy could not be read: ValueError" in file.getvalue()
    assert "s3cret" not in file.getvalue()


def test_figures_are_asked_for_during_the_copy_only(journal: SqliteJournal) -> None:
    """No other step pays for a session that asks for progress."""
    asked: list[float] = []

    def source() -> CopyProgress:
        asked.append(time.monotonic())
        return FIGURES

    console, _ = file_console()
    watcher = live.listener(console)
    watcher.copying(source)
    runner(journal, watcher, Toy(name="fence", lasts_s=0.1), Toy(name="lift", lasts_s=0.1)).forward()
    assert [] == asked


def test_pace_takes_the_rate_of_the_last_seconds() -> None:
    """Rate and time left follow the newest figures, not the average since the start."""
    pace = Pace()
    for at_s, done in ((0, 0), (10, 1_000), (20, 2_000), (30, 12_000), (40, 22_000)):
        pace.see(float(at_s), done)
    assert 1000.0 == pace.per_s
    assert 5.0 == pace.left_s(5_000)


def test_pace_knows_nothing_at_first_and_of_a_standstill() -> None:
    """One figure gives no rate, and a copy that stands still has no end."""
    pace = Pace()
    pace.see(0.0, 10)
    assert pace.per_s is None
    pace.see(5.0, 10)
    assert pace.left_s(100) is None


def test_pace_begins_anew_with_a_new_copy() -> None:
    """Figures that fall belong to another copy; the old rate is forgotten."""
    pace = Pace()
    pace.see(0.0, 0)
    pace.see(1.0, 5000)
    pace.see(2.0, 100)
    assert pace.per_s is None


def figures(done: int) -> CopyProgress:
    """Those of a copy of 100 MB."""
    return SimpleNamespace(**{**vars(FIGURES), "bytes_done": done, "bytes_total": 10**8, "rows_done": done // 100})


def test_a_table_that_waits_for_its_commit_is_not_taken_back() -> None:
    """Arrived whole, it is in no view until it is committed: for that moment the figures stay as they were."""
    watch = Watch(lambda: None)
    done = [40_000_000, 45_000_000, 5_000_000, 50_000_000, 55_000_000]
    for second, size in enumerate(done):
        watch.take(float(second), figures(size))
    assert watch.sentence().startswith("55.0 MB of 100.0 MB, 550,000 rows")
    assert "3.8 MB/s, 37,500 rows/s" in watch.sentence()


def test_a_copy_that_begins_anew_is_believed_after_a_while() -> None:
    """A sum that stays lower is of another copy, and its rate is its own."""
    watch = Watch(lambda: None)
    for second, size in enumerate((90, 10, 11, 12, 13, 14, 15, 16)):
        watch.take(float(second), figures(size * 10**6))
    assert "16.0 MB of 100.0 MB" in watch.sentence()
    assert "1.0 MB/s" in watch.sentence()


def test_many_builds_are_summed_up() -> None:
    """Two index builds are named, the rest counted."""
    build: Mapping[str, object] = {"table": TableName(schema="s", name="t"), "phase": "loading", "share": 0.5}
    figures = SimpleNamespace(**{**vars(FIGURES), "builds": tuple(SimpleNamespace(**build) for _ in range(5))})
    assert sentence(figures, Pace(), Pace()).endswith("index on t: loading 50%; index on t: loading 50%; 3 more")


def test_bytes_and_rows_have_a_rate_each() -> None:
    """How fast bytes arrive, how fast rows do, and when the last of them will be there."""
    of_bytes, of_rows = Pace(), Pace()
    for at_s, byte, row in ((0.0, 0, 0), (10.0, 1_200_000, 3400)):
        of_bytes.see(at_s, byte)
        of_rows.see(at_s, row)
    assert "5 of 43 tables, 120.0 kB/s, 340 rows/s, last row in 23.3 s" in sentence(FIGURES, of_bytes, of_rows)
