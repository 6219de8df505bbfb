"""A world that outlives every runner, toy steps that change it, and a fuse that ends a process at a given point."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pgcutover.edges.journal import SqliteJournal
from pgcutover.running.journal import Event, Note, Run
from pgcutover.running.runner import Guard, Listener, Runner
from pgcutover.running.state import Move, fold
from pgcutover.running.step import Before, Finding, Json, Verdict

RUN = "run-1"


class Crash(BaseException):
    """The process dies here: nothing may catch it, and nothing may happen after it."""


class Fuse:
    """Raises at the n-th point passed; a Crash again at every later one, since the dead do nothing."""

    def __init__(self, burns_at: int | None = None, raising: type[BaseException] = Crash) -> None:
        self.burns_at = burns_at
        self.raising = raising
        self.passed: list[str] = []

    def point(self, name: str) -> None:
        self.passed.append(name)
        number = len(self.passed)
        if number == self.burns_at or (self.raising is Crash and self.burns_at and number > self.burns_at):
            raise self.raising(name)


@dataclass
class World:
    facts: dict[str, str] = field(default_factory=lambda: {"flag": "off", "url": "old"})
    rows: list[str] = field(default_factory=lambda: ["theirs"])
    effects: list[str] = field(default_factory=list)
    asked_before: list[str] = field(default_factory=list)
    fuse: Fuse = field(default_factory=Fuse)

    def shape(self) -> tuple[dict[str, str], list[str]]:
        return dict(self.facts), list(self.rows)

    def set(self, key: str, value: str | None) -> None:
        """Only a change of something is an effect; writing what is there already is what idempotent means."""
        if self.facts.get(key) == value:
            return
        self.effects.append(f"{key}={value}")
        if value is None:
            del self.facts[key]
        else:
            self.facts[key] = value


@dataclass(frozen=True)
class Value:
    """Gives one key another value; ABSENT is the value found before, or none."""

    name: str
    key: str
    value: str
    keeps_target: bool = False

    def observe(self, world: World) -> Before:
        world.fuse.point(f"{self.name}: observe")
        world.asked_before.append(self.name)
        world.fuse.point(f"{self.name}: observed")
        return {"was": world.facts.get(self.key)}

    def do(self, world: World, before: Before) -> None:
        world.fuse.point(f"{self.name}: before do")
        world.set(self.key, self.value)
        world.fuse.point(f"{self.name}: after do")

    def verify(self, world: World, before: Before) -> Finding:
        world.fuse.point(f"{self.name}: verify")
        now = world.facts.get(self.key)
        verdict = {self.value: Verdict.WHOLE, before["was"]: Verdict.ABSENT}.get(now, Verdict.PARTIAL)
        return Finding(verdict=verdict, detail=f"{self.key} is {now}", evidence={"now": now})

    def undo(self, world: World, before: Before) -> None:
        world.fuse.point(f"{self.name}: before undo")
        was = before["was"]
        assert was is None or isinstance(was, str)
        world.set(self.key, was)
        world.fuse.point(f"{self.name}: after undo")


@dataclass(frozen=True)
class Row:
    """Appends a row: done twice by a careless step, it would be there twice."""

    name: str
    row: str
    keeps_target: bool = False

    def observe(self, world: World) -> Before:
        world.fuse.point(f"{self.name}: observe")
        world.asked_before.append(self.name)
        return {"rows": len(world.rows)}

    def do(self, world: World, before: Before) -> None:
        world.fuse.point(f"{self.name}: before do")
        if self.row not in world.rows:
            world.rows.append(self.row)
            world.effects.append(f"+{self.row}")
        world.fuse.point(f"{self.name}: after do")

    def verify(self, world: World, before: Before) -> Finding:
        world.fuse.point(f"{self.name}: verify")
        verdicts = {0: Verdict.ABSENT, 1: Verdict.WHOLE}
        return Finding(verdict=verdicts.get(world.rows.count(self.row), Verdict.PARTIAL))

    def undo(self, world: World, before: Before) -> None:
        world.fuse.point(f"{self.name}: before undo")
        if self.row in world.rows:
            world.rows.remove(self.row)
            world.effects.append(f"-{self.row}")
        world.fuse.point(f"{self.name}: after undo")


@dataclass(frozen=True)
class TwoParts:
    """Sets two keys, one after the other, and can be left PARTIAL both ways."""

    name: str
    keys: tuple[str, str]
    keeps_target: bool = False

    def observe(self, world: World) -> Before:
        world.fuse.point(f"{self.name}: observe")
        world.asked_before.append(self.name)
        return {key: world.facts.get(key) for key in self.keys}

    def do(self, world: World, before: Before) -> None:
        first, second = self.keys
        world.fuse.point(f"{self.name}: before do")
        world.set(first, "new")
        world.fuse.point(f"{self.name}: half done")
        world.set(second, "new")
        world.fuse.point(f"{self.name}: after do")

    def verify(self, world: World, before: Before) -> Finding:
        world.fuse.point(f"{self.name}: verify")
        new = sum(world.facts.get(key) == "new" for key in self.keys)
        return Finding(verdict=(Verdict.ABSENT, Verdict.PARTIAL, Verdict.WHOLE)[new], evidence={"new": new})

    def undo(self, world: World, before: Before) -> None:
        first, second = self.keys
        world.fuse.point(f"{self.name}: before undo")
        world.set(second, None)
        world.fuse.point(f"{self.name}: half undone")
        world.set(first, None)
        world.fuse.point(f"{self.name}: after undo")


FLAG = Value("raise the flag", "flag", "on")
TARGET = Value("make the target", "target", "made", keeps_target=True)
ROW = Row("add the row", "ours")
PARTS = TwoParts("lay both parts", ("left", "right"))
SWITCH = Value("turn the switch", "url", "new")
STEPS = (FLAG, TARGET, ROW, PARTS, SWITCH)
NAMES = tuple(step.name for step in STEPS)
EFFECTS = ["flag=on", "target=made", "+ours", "left=new", "right=new", "url=new"]
UNDO_EFFECTS = ["url=old", "right=None", "left=None", "-ours", "target=None", "flag=off"]


def whole_shape() -> tuple[dict[str, str], list[str]]:
    """The world's shape when every step is whole."""
    return {"flag": "on", "url": "new", "target": "made", "left": "new", "right": "new"}, ["theirs", "ours"]


class FusedJournal:
    """A real journal with a point of death before and after each append's commit."""

    def __init__(self, journal: SqliteJournal, fuse: Fuse) -> None:
        self._journal = journal
        self._fuse = fuse

    def append(
        self,
        run: str,
        step: str,
        move: Move,
        *,
        before: Before | None = None,
        finding: Finding | None = None,
        error: str = "",
    ) -> Event:
        self._fuse.point(f"{step}: before {move} is written")
        event = self._journal.append(run, step, move, before=before, finding=finding, error=error)
        self._fuse.point(f"{step}: after {move} is written")
        return event

    def events(self, run: str) -> tuple[Event, ...]:
        return self._journal.events(run)

    def open_run(self, run: str, plan_digest: str, plan: Json, by: str) -> Run:
        return self._journal.open_run(run, plan_digest, plan, by)

    def close_run(self, run: str, outcome: str) -> None:
        self._journal.close_run(run, outcome)

    def runs(self) -> tuple[Run, ...]:
        return self._journal.runs()

    def note(self, run: str, kind: str, payload: Json) -> Note:
        return self._journal.note(run, kind, payload)

    def notes(self, run: str, kind: str | None = None) -> tuple[Note, ...]:
        return self._journal.notes(run, kind)


@dataclass
class Life:
    """One process's life: it opens the journal, goes forward or back, and ends by itself or by its fuse."""

    path: Path
    world: World
    fuse: Fuse = field(default_factory=Fuse)
    guards: tuple[Guard[World], ...] = ()
    listener: Listener | None = None
    states: Mapping[str, str] = field(default_factory=dict)

    def forward(self, until: str | None = None) -> bool:
        return self._live("forward", until)

    def unwind(self, down_to: str | None = None, *, include_target: bool = True) -> bool:
        return self._live("unwind", down_to, include_target=include_target)

    def _live(self, way: str, last: str | None, **options: bool) -> bool:
        """True when the process lived to the end of what it was asked to do."""
        self.world.fuse = self.fuse
        with SqliteJournal(self.path) as journal:
            if not journal.runs():
                journal.open_run(RUN, "digest", {"steps": list(NAMES)}, "ada")
            fused = FusedJournal(journal, self.fuse)
            runner = Runner(STEPS, fused, RUN, self.world, self.guards, self.listener)
            try:
                if way == "forward":
                    runner.forward(last)
                else:
                    runner.unwind(last, **options)
            except Crash:
                return False
            finally:
                self.states = runner.states()
        return True

    def look(self) -> Mapping[str, str]:
        """The states, as a reader finds them."""
        if not self.path.exists():
            return {}
        with SqliteJournal(self.path, read_only=True) as journal:
            return fold(journal.events(RUN))
