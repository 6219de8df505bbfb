"""`pgcutover probe`: first contact with real accounts. Things of its own are made, looked at, and removed.

Invariant: the name under which everything is made is on disk before the first thing is, and leaves it after the last
is gone; so a probe that dies leaves nothing that `clean` does not find.
"""

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pgcutover.app.first import AWS_REGIONS
from pgcutover.app.people import Ask, Question
from pgcutover.app.probing.heroku import look_at_heroku
from pgcutover.app.probing.looking import TROUBLE, Asking, Looks, Tell, words_of
from pgcutover.app.probing.rds import BORN, GROWN, RdsWorld
from pgcutover.app.records import Records
from pgcutover.config import Surroundings
from pgcutover.edges.heroku import addresses
from pgcutover.edges.probe_aws import ProbeAws
from pgcutover.edges.probe_heroku import ProbeHeroku
from pgcutover.edges.rds_ca import ca_bundle
from pgcutover.edges.transcript import Transcript
from pgcutover.errors import JournalError, NotConfirmedError, ProbeError, RefusedError, UsageError
from pgcutover.planning.predicted_aws import AWS
from pgcutover.planning.predicted_heroku import HEROKU
from pgcutover.planning.predictions import Finding, Prediction, Verdict, numbers_of
from pgcutover.planning.throwaway_estate import AWS_COST, HEROKU_COST, LEFT_COST, PREFIX, ours

EU = "eu"


class Throwaway(BaseModel):
    """What a probe makes, written down before it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    region: str
    heroku: bool
    aws: bool


class ProbeDone(BaseModel):
    """What was found, and what became of the things that were made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    name: str
    findings: tuple[Finding, ...]
    transcript: str
    removed: bool
    left: str = ""
    """Why something may still be there."""

    def raise_unless_right(self) -> None:
        """Raises ProbeError: an assumption is wrong, could not be looked at, or something was left behind."""
        wrong = numbers_of(self.findings, Verdict.OTHERWISE)
        blind = numbers_of(self.findings, Verdict.NOT_LOOKED)
        said = [f"otherwise than predicted: {', '.join(wrong)}"] if wrong else []
        said += [f"could not be looked at: {', '.join(blind)}"] if blind else []
        said += [f"not removed: {self.left}"] if not self.removed else []
        if said:
            hint = (
                f"What was asked and answered is in {self.transcript}, without secrets: please send it with an issue."
            )
            raise ProbeError("; ".join(said), hint=hint if self.removed else f"Run pgcutover probe --clean. {hint}")


class Proposal(BaseModel):
    """What a probe would make, ask and cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    region: str
    costs: tuple[str, ...]
    looks: tuple[Prediction, ...]


class Cleaned(BaseModel):
    """Names of earlier probes whose things are gone now."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a person asked for."""

    region: str
    heroku: bool = True
    aws: bool = True
    transcript: Path | None = None

    @property
    def predictions(self) -> tuple[Prediction, ...]:
        return (*(HEROKU if self.heroku else ()), *(AWS if self.aws else ()))

    @property
    def costs(self) -> tuple[str, ...]:
        return (*((HEROKU_COST,) if self.heroku else ()), *((AWS_COST,) if self.aws else ()), LEFT_COST)


class Probe:
    """Probes of one directory: what they make is written down below `state`."""

    def __init__(self, state: Path, around: Surroundings, tell: Tell) -> None:
        self._state, self._around, self._tell = state / "probe", around, tell

    def proposal(self, wishes: Wishes) -> Proposal:
        """What `run` would do; nothing is asked of anybody."""
        return Proposal(region=wishes.region, costs=wishes.costs, looks=wishes.predictions)

    def run(self, wishes: Wishes, *, ask: Ask) -> ProbeDone:
        """Make, look, remove; whatever happens in between, what was made is removed.

        Raises:
            RefusedError: an earlier probe left something.
            NotConfirmedError: nobody agreed.
            ConfigError, RightsError: token or credentials do not work; nothing was made.
        """
        self._refuse_leftovers()
        cost = "\n".join(wishes.costs)
        if not ask(Question(text=f"{cost}\nAbout to make them in {wishes.region}.")).agreed:
            raise NotConfirmedError("not confirmed; nothing was made")
        made = Throwaway(
            name=f"{PREFIX}{secrets.token_hex(4)}", region=wishes.region, heroku=wishes.heroku, aws=wishes.aws
        )
        for directory in (self._state.parent, self._state):
            directory.mkdir(mode=0o700, exist_ok=True)
        path = wishes.transcript or self._state / f"{made.name}.jsonl"
        with closing(Transcript(path)) as transcript, self._accounts(made, transcript) as (heroku, aws):
            looks = Looks(predictions=wishes.predictions, transcript=transcript, tell=self._tell)
            self._write(made)
            trouble = ""
            try:
                self._look(made, heroku, aws, looks)
            except TROUBLE as error:
                trouble = words_of(error)
            finally:
                left = self._remove(made, heroku, aws)
            return ProbeDone(
                name=made.name,
                findings=looks.all(trouble=trouble),
                transcript=str(path),
                removed=not left,
                left=transcript.redactor.text(left),
            )

    def clean(self) -> Cleaned:
        """Remove what earlier probes of this directory left.

        Raises:
            ProbeError: something is still there.
            RefusedError: a thing is not a probe's.
        """
        names = []
        for made in self._leftovers():
            with (
                closing(Transcript(self._state / f"{made.name}-clean-{secrets.token_hex(2)}.jsonl")) as transcript,
                self._accounts(made, transcript) as (heroku, aws),
            ):
                left = self._remove(made, heroku, aws)
            if left:
                raise ProbeError(
                    f"not everything of {made.name} could be removed: {left}",
                    hint="Run pgcutover probe --clean again, or remove what carries that name by hand.",
                )
            names.append(made.name)
        return Cleaned(names=tuple(names))

    # -- looking and removing ---------------------------------------------------------------------------------------

    def _look(self, made: Throwaway, heroku: ProbeHeroku | None, aws: ProbeAws | None, looks: Looks) -> None:
        """AWS is asked first, for it takes the longest; Heroku is looked at meanwhile."""
        asking = Asking(transcript=looks.transcript)
        world = None if aws is None else self._ordered(made, aws, asking)
        if world is not None:
            looks.make(BORN, world)
        trouble: Exception | None = None
        if heroku is not None:
            try:
                region = EU if made.region == AWS_REGIONS[EU] else "us"
                look_at_heroku(heroku, made.name, region, looks, asking, self._tell)
            except TROUBLE as error:
                # What AWS has to show is looked at all the same.
                trouble = error
                self._tell(f"Heroku: {looks.transcript.redactor.text(words_of(error))}")
        if aws is not None and world is not None:
            self._tell(f"waiting for the instance {made.name}")
            aws.ready(made.name)
            looks.make(GROWN, world)
        if trouble is not None:
            raise trouble

    def _ordered(self, made: Throwaway, aws: ProbeAws, asking: Asking) -> RdsWorld:
        version = aws.newest()
        self._tell(f"asking for an instance {made.name} of PostgreSQL {version.version}")
        aws.make(made.name, version)

        def bundle() -> str:
            return str(ca_bundle(made.region, configured=self._around.rds_ca, state=self._state))

        return RdsWorld(aws=aws, name=made.name, version=version, ca_bundle=bundle, asking=asking)

    def _remove(self, made: Throwaway, heroku: ProbeHeroku | None, aws: ProbeAws | None) -> str:
        """Remove everything; why something is left, or ''. Afterwards the note of it is gone, too."""
        left, sides = [], []
        sides += [] if heroku is None else [heroku.remove_app]
        sides += [] if aws is None else [aws.remove]
        self._tell(f"removing {made.name}")
        for remove in sides:
            try:
                remove(made.name)
            except TROUBLE as error:
                left.append(words_of(error))
        if not left:
            self._note(made.name).unlink(missing_ok=True)
        return "; ".join(left)

    @contextmanager
    def _accounts(
        self, made: Throwaway, transcript: Transcript
    ) -> Iterator[tuple[ProbeHeroku | None, ProbeAws | None]]:
        """Both accounts, each asked once whether it knows us."""
        heroku = aws = None
        with ExitStack() as stack:
            if made.heroku:
                base, data = addresses(self._around.heroku_host, self._around.heroku_data_host)
                heroku = stack.enter_context(closing(ProbeHeroku(self._around.token(), base, data, transcript)))
                heroku.must("GET", "/account/rate-limits")
            if made.aws:
                aws = stack.enter_context(closing(ProbeAws(made.region, transcript, notice=self._tell)))
                aws.account()
            yield heroku, aws

    # -- notes of what is made --------------------------------------------------------------------------------------

    def _note(self, name: str) -> Path:
        return self._state / f"{name}.json"

    def _write(self, made: Throwaway) -> None:
        Records(self._state).write(self._note(made.name), made.model_dump_json())

    def _leftovers(self) -> Sequence[Throwaway]:
        found = []
        for path in sorted(self._state.glob(f"{PREFIX}*.json")):
            try:
                made = Throwaway.model_validate(json.loads(path.read_text("utf-8")))
            except (OSError, ValueError, ValidationError) as cause:
                raise JournalError(f"{path} cannot be read", hint="Remove by hand what carries its name.") from cause
            if not ours(made.name) or path.stem != made.name:
                raise RefusedError(f"{path} names something that no probe makes", hint="Somebody edited it: remove it.")
            found.append(made)
        return found

    def _refuse_leftovers(self) -> None:
        left = [made.name for made in self._leftovers()]
        if left:
            raise RefusedError(
                f"an earlier probe may have left something: {', '.join(left)}", hint="Run pgcutover probe --clean."
            )


def wishes_of(*, region: str, heroku_only: bool, aws_only: bool, transcript: Path | None) -> Wishes:
    """Raises UsageError: both sides are left out."""
    if heroku_only and aws_only:
        raise UsageError("give --heroku-only or --aws-only, not both")
    return Wishes(region=region, heroku=not aws_only, aws=not heroku_only, transcript=transcript)
