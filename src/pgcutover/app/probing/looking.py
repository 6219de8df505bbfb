"""How looks are made, one after another: each answers in the words of its prediction, and none ends the probe.

A look is a function of a world; it says what it saw and judges nothing. One that raises could not look, which is no
pass; the next one is made all the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from pgcutover.edges.postgres import Connection, Server, Side
from pgcutover.edges.transcript import Transcript
from pgcutover.errors import PgcutoverError
from pgcutover.facts.names import Dsn
from pgcutover.planning.predictions import Finding, Prediction, Seen, Verdict, judged

World = TypeVar("World")
Tell = Callable[[str], None]
TROUBLE = (PgcutoverError, LookupError, TypeError, ValueError, AttributeError)
"""What a look may meet: ours; or, on accounts that nobody has looked at yet, an answer of another shape than ours."""


def words_of(error: Exception) -> str:
    """For a finding or a person."""
    if isinstance(error, PgcutoverError):
        return error.message
    return f"the answer has another shape than expected: {type(error).__name__} {error}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """SQL for a probe's database; what was asked and answered goes into the transcript."""

    transcript: Transcript

    @contextmanager
    def session(self, dsn: Dsn, side: Side) -> Iterator[Connection]:
        with Server(dsn=dsn, side=side).session("probe") as session:
            yield session

    def value(self, dsn: Dsn, side: Side, question: str) -> str:
        """The one value that a question answers."""
        with self.session(dsn, side) as session:
            row = session.execute(question.encode()).fetchone()
        answer = "" if row is None or row[0] is None else str(row[0])
        self.transcript.note(question, answer)
        return answer


@dataclass(slots=True, kw_only=True)
class Looks:
    """Findings so far, in the order of the predictions once all is done."""

    predictions: Sequence[Prediction]
    transcript: Transcript
    tell: Tell
    findings: dict[str, Finding] = field(default_factory=dict)

    def make(self, looks: Mapping[str, Callable[[World], Seen]], world: World) -> None:
        """Look at each of these, in this order."""
        by_number = {prediction.number: prediction for prediction in self.predictions}
        for number, look in looks.items():
            try:
                seen, trouble = look(world), ""
            except TROUBLE as error:
                seen, trouble = None, self.transcript.redactor.text(words_of(error))
            finding = judged(by_number[number], seen, trouble=trouble)
            self.findings[number] = finding
            self.transcript.note(number, finding.model_dump(mode="json"))
            self.tell(said(finding))

    def all(self, *, trouble: str = "") -> tuple[Finding, ...]:
        """A finding for every prediction; those that nobody came to could not be looked at, because of `trouble`."""
        why = self.transcript.redactor.text(trouble)
        return tuple(self.findings.get(p.number) or judged(p, None, trouble=why) for p in self.predictions)


def said(finding: Finding) -> str:
    """One line for a person who waits."""
    about = f": {finding.seen or finding.detail}" if finding.verdict is not Verdict.AS_PREDICTED else ""
    return f"{finding.number} {finding.verdict}{about}"
