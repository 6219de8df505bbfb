"""Takes a plan's steps forward, and unwinds them: write intent, touch the world, ask the world, write the answer.

It must not know what any step does, and it must not remember: every decision is read from the journal and from the
world, so that a new process, on another machine, goes on exactly where the last one died.

Invariant: the world is touched only while the journal says `doing` or `undoing`; `done` and `undone` are written only
after `verify` found WHOLE or ABSENT.
"""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Generic, Protocol, TypeVar

from pgcutover.errors import (
    InterruptedRun,
    JournalError,
    NotDoneError,
    NotUndoneError,
    PgcutoverError,
    RefusedError,
    UsageError,
)
from pgcutover.running.journal import Event, Journal, before_of
from pgcutover.running.state import MAY_HAVE_TOUCHED, Direction, Move, StepState, fold
from pgcutover.running.step import Before, Finding, Step, Verdict

W = TypeVar("W")
W_contra = TypeVar("W_contra", contravariant=True)

# An error raised by somebody else's library may quote the URL it was given.
_PASSWORD_IN_URL: Final = re.compile(r"(://[^/\s:@]*:)[^/\s@]+@")


class Guard(Protocol[W_contra]):
    """Asked before every step that is not skipped; raises when the run may not go on."""

    def __call__(self, world: W_contra, step: str, direction: Direction, /) -> None: ...


class Listener(Protocol):
    """Hears, for display, of what the journal already holds. It must not raise."""

    def started(self, event: Event) -> None: ...

    def adopted(self, event: Event) -> None: ...

    def finished(self, event: Event, seconds: float) -> None: ...

    def failed(self, event: Event) -> None:
        """Doing or undoing failed; `event.move` says which."""
        ...

    def undoing(self, event: Event) -> None: ...

    def undone(self, event: Event, seconds: float) -> None: ...


class SilentListener:
    """For runs that nobody watches; also the base for listeners that want only some of the calls."""

    def started(self, event: Event) -> None: ...

    def adopted(self, event: Event) -> None: ...

    def finished(self, event: Event, seconds: float) -> None: ...

    def failed(self, event: Event) -> None: ...

    def undoing(self, event: Event) -> None: ...

    def undone(self, event: Event, seconds: float) -> None: ...


class Runner(Generic[W]):
    """One plan, one run, one world. The run must have been opened in the journal."""

    def __init__(
        self,
        steps: Sequence[Step[W]],
        journal: Journal,
        run_id: str,
        world: W,
        guards: Sequence[Guard[W]] = (),
        listener: Listener | None = None,
    ) -> None:
        """Raises:
        JournalError: two steps share a name, the run was never opened, or it has events of steps not among these.
        """
        self._steps = tuple(steps)
        self._journal = journal
        self._run = run_id
        self._world = world
        self._guards = tuple(guards)
        self._listener = listener or SilentListener()
        self._check_names()

    def states(self) -> dict[str, StepState]:
        """The state of every step, in the plan's order."""
        return fold(self._journal.events(self._run), (step.name for step in self._steps))

    def forward(self, until: str | None = None) -> None:
        """Do every step that is not done, in order, up to and including `until`; again after a crash, it goes on.

        Raises:
            UsageError: no step is named `until`.
            RefusedError: a step is half undone; unwinding must end first.
            InterruptedRun: a person pressed Ctrl-C.
            PgcutoverError: a step left the world other than whole.
            Exception: whatever a guard or a step raised.
        """
        chosen = self._through(self._steps, until)
        self._refuse_half_undone()
        for step in chosen:
            with self._interruptible(step):
                if self.states()[step.name] is not StepState.DONE:
                    self._guard(step, Direction.FORWARD)
                    self._resume_or_begin(step)

    def unwind(self, down_to: str | None = None, *, include_target: bool = False) -> None:
        """Undo, newest first, every step that may have touched the world, down to and including `down_to`.

        Steps that keep the target are passed over unless `include_target`. Again after a crash, it goes on.

        Raises:
            UsageError: no step is named `down_to`.
            NotUndoneError: something of a step is still there after its undo.
            InterruptedRun: a person pressed Ctrl-C.
            Exception: whatever a guard or a step raised.
        """
        for step in self._through(self._steps[::-1], down_to):
            if step.keeps_target and not include_target:
                continue
            with self._interruptible(step):
                if self.states()[step.name] in MAY_HAVE_TOUCHED:
                    self._guard(step, Direction.BACK)
                    self._undo(step)

    def _resume_or_begin(self, step: Step[W]) -> None:
        events = self._journal.events(self._run)
        before = before_of(events, step.name)
        if before is None:
            before = step.observe(self._world)
        elif self._adopt(step, before):
            return
        began = self._journal.append(self._run, step.name, Move.BEGIN, before=before)
        self._listener.started(began)
        self._do(step, _journalled(began))

    def _adopt(self, step: Step[W], before: Before) -> bool:
        """Ask the world about a step that a dead or failed attempt left; True when it is whole and was adopted."""
        with self._failures(step, Move.FAIL):
            finding = step.verify(self._world, before)
        if finding.verdict is not Verdict.WHOLE:
            return False
        self._listener.adopted(self._journal.append(self._run, step.name, Move.ADOPT, finding=finding))
        return True

    def _do(self, step: Step[W], before: Before) -> None:
        start_s = time.monotonic()
        with self._failures(step, Move.FAIL):
            step.do(self._world, before)
            finding = step.verify(self._world, before)
        if finding.verdict is not Verdict.WHOLE:
            error = NotDoneError(
                f"step {step.name} was done, but the world is {finding.verdict}{_detail(finding)}",
                hint="Run the same command again to do it once more, or go back.",
            )
            self._record_failure(step, Move.FAIL, error, finding)
            raise error
        finished = self._journal.append(self._run, step.name, Move.FINISH, finding=finding)
        self._listener.finished(finished, time.monotonic() - start_s)

    def _undo(self, step: Step[W]) -> None:
        before = before_of(self._journal.events(self._run), step.name)
        if before is None:
            raise JournalError(f"step {step.name} has begun, but the journal does not say how the world was before")
        self._listener.undoing(self._journal.append(self._run, step.name, Move.BEGIN_UNDO))
        start_s = time.monotonic()
        with self._failures(step, Move.FAIL_UNDO):
            step.undo(self._world, before)
            finding = step.verify(self._world, before)
        if finding.verdict is not Verdict.ABSENT and not finding.unchanged:
            error = NotUndoneError(
                f"step {step.name} was undone, but the world is still {finding.verdict}{_detail(finding)}",
                hint="Look at what is left, then run the same command again.",
            )
            self._record_failure(step, Move.FAIL_UNDO, error, finding)
            raise error
        undone = self._journal.append(self._run, step.name, Move.FINISH_UNDO, finding=finding)
        self._listener.undone(undone, time.monotonic() - start_s)

    @contextmanager
    def _failures(self, step: Step[W], move: Move) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._record_failure(step, move, error)
            raise

    @contextmanager
    def _interruptible(self, step: Step[W]) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt as cause:
            error = InterruptedRun(
                f"interrupted at step {step.name}", hint="Run the same command again to go on from there."
            )
            # Asked, not remembered: the signal may have come on either side of an append.
            match self.states()[step.name]:
                case StepState.DOING:
                    self._record_failure(step, Move.FAIL, error)
                case StepState.UNDOING:
                    self._record_failure(step, Move.FAIL_UNDO, error)
                case _:
                    pass
            raise error from cause

    def _record_failure(self, step: Step[W], move: Move, error: Exception, finding: Finding | None = None) -> None:
        try:
            event = self._journal.append(self._run, step.name, move, finding=finding, error=_text(error))
        except JournalError as second:
            # The first error is the one to act on; the step stays in doing or undoing, which resuming can handle.
            error.add_note(f"this could not be written to the journal: {second}")
        else:
            self._listener.failed(event)

    def _guard(self, step: Step[W], direction: Direction) -> None:
        for guard in self._guards:
            guard(self._world, step.name, direction)

    def _through(self, steps: Sequence[Step[W]], last: str | None) -> Sequence[Step[W]]:
        if last is None:
            return steps
        for number, step in enumerate(steps, start=1):
            if step.name == last:
                return steps[:number]
        raise UsageError(
            f"the plan has no step named {last}",
            hint=f"Its steps are {', '.join(step.name for step in self._steps)}.",
        )

    def _refuse_half_undone(self) -> None:
        half = [name for name, state in self.states().items() if state is StepState.UNDOING]
        if half:
            raise RefusedError(
                f"going back has begun and has not ended: {', '.join(half)} {StepState.UNDOING.phrase}",
                hint="Go back again until it ends; then the run can go forward.",
            )

    def _check_names(self) -> None:
        names = [step.name for step in self._steps]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise JournalError(f"the plan has several steps named {', '.join(doubled)}")
        strangers = [name for name in self.states() if name not in names]
        if strangers:
            # Unwinding this plan would leave in place what those steps did.
            raise JournalError(
                f"run {self._run} has done steps that are not in this plan: {', '.join(strangers)}",
                hint="Go on with the plan that the journal holds for this run.",
            )


def _journalled(event: Event) -> Before:
    """What every later process will be given, so that the first `do` sees no other types than a resumed one."""
    return event.before or {}


def _detail(finding: Finding) -> str:
    return f": {finding.detail}" if finding.detail else ""


def _text(error: Exception) -> str:
    text = str(error) if isinstance(error, PgcutoverError) else f"{type(error).__name__}: {error}"
    return _PASSWORD_IN_URL.sub(r"\1********@", text)
