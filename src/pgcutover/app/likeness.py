"""The facts of an environment that planning/likeness.py compares, and what the other environments' journals say of
their drills. Another environment is never read live: its journal has the facts of when it was drilled."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from pgcutover.app.estate import AppEstate, Estate
from pgcutover.app.records import Records
from pgcutover.config import Config
from pgcutover.errors import JournalError
from pgcutover.facts.estate import Attachment
from pgcutover.facts.inventory import DatabaseInventory
from pgcutover.facts.names import Secret
from pgcutover.planning.likeness import ASPECTS, AppFacts, EnvironmentFacts, PastDrill, differences
from pgcutover.planning.moves import LEGACY, PGBOUNCER_URLS, AppMoves
from pgcutover.planning.plan import Advice
from pgcutover.planning.target import TargetPlan
from pgcutover.running.journal import Note
from pgcutover.steps.history import DRILL, DRILLED

HEEDED = re.compile(r"PGBOUNCER_\w+|PGSSL\w+|PGOPTIONS")
IN_THE_CLEAR = {"PGBOUNCER_ENABLED", PGBOUNCER_URLS}
PLAIN = re.compile(r"[\w ,]*")
GUARDED = re.compile(r"PASS|KEY|SECRET")
"""In the names of config vars whose values are secrets, too short for a digest to hide them."""
POOLED = re.compile(r"\b(start|use)-pgbouncer")
DIGEST_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillRecord:
    """The newest drill of an environment that ended, as its journal has it; `facts` are None in `trouble`."""

    environment: str
    drilled_at: datetime | None = None
    plan_digest: str = ""
    green: bool = False
    facts: EnvironmentFacts | None = None
    trouble: str = ""
    """Why it cannot be told; '' normally."""


def past_drills(config: Config) -> tuple[DrillRecord, ...]:
    """Those of every other environment of pgcutover.toml; for an environment that is no production, none."""
    if not config.choices.production:
        return ()
    found = (_newest_drill(name, Records(config.state_of(name))) for name in config.others)
    return tuple(record for record in found if record is not None)


def held_against(drills: Sequence[DrillRecord], planned: EnvironmentFacts) -> tuple[PastDrill, ...]:
    """Each drill with what is otherwise in the environment that is planned."""
    return tuple(
        PastDrill(
            environment=drill.environment,
            drilled_at=drill.drilled_at,
            plan_digest=drill.plan_digest,
            green=drill.green,
            differences=differences(drill.facts, planned),
        )
        for drill in drills
        if drill.facts is not None and drill.drilled_at is not None
    )


def about_drills(config: Config, drills: Sequence[DrillRecord]) -> tuple[Advice, ...]:
    """What a production plan says when no drill tells anything about it."""
    advice = [
        Advice(what=f"the drill of {d.environment}: could not check: {d.trouble}", hint="") for d in drills if d.trouble
    ]
    if config.choices.production and not any(drill.facts for drill in drills):
        where = config.others[0] if config.others else "staging"
        missing = "" if config.others else f"add environments.{where} to {config.file.name} and "
        hint = f"{missing}run pgcutover drill --env {where}."
        advice.append(
            Advice(
                what=f"no drill yet: {len(ASPECTS)} kinds of differences between production and what was practised "
                f"cannot be known ({', '.join(ASPECTS)})",
                hint=hint[0].upper() + hint[1:],
            )
        )
    return tuple(advice)


def facts_of(config: Config, estate: Estate, database: DatabaseInventory, target: TargetPlan) -> EnvironmentFacts:
    """What the environment is like now."""
    return EnvironmentFacts(
        environment=config.environment,
        apps=tuple(
            _app_facts(estate, entry, moves)
            for entry, moves in zip(estate.apps, estate.moves(target.credentials), strict=True)
        ),
        addon_plan=estate.leader.plan.partition(":")[2],
        followers=len(estate.followers),
        major=database.major,
        extensions=tuple(sorted(extension.name for extension in database.extensions)),
        credentials=len(database.roles),
        target=(
            ("region", target.region),
            ("exposure", target.exposure),
            ("existing instance", "yes" if target.existing else "no"),
            ("PostgreSQL", str(target.major)),
            ("class", target.instance_class),
            ("Multi-AZ", "yes" if target.multi_az else "no"),
            ("replica", target.replica.made if target.replica else "none"),
            ("app_sslmode", config.choices.target.app_sslmode),
        ),
    )


def _app_facts(estate: Estate, entry: AppEstate, moves: AppMoves) -> AppFacts:
    ours = {estate.leader.name: "the primary", **{follower.name: "a follower" for follower in estate.followers}}
    kept = [a for a in entry.attachments if a.addon in ours and not a.name.startswith(LEGACY)]
    return AppFacts(
        name=entry.app.name,
        billing=entry.app.name == estate.leader.billing_app,
        region=entry.app.region,
        stack=entry.app.stack,
        private_space=entry.app.space is not None,
        buildpacks=entry.buildpacks,
        commands=tuple(sorted((p.type, _digest(p.command)) for p in entry.formation)),
        pooled=tuple(sorted(p.type for p in entry.formation if POOLED.search(p.command))),
        attachments=tuple(sorted(_in_words(a, ours[a.addon]) for a in kept)),
        copied_urls=tuple(sorted(f"{m.variable} for the {m.role}" for m in moves.variables if m.attachment is None)),
        settings=settings_of(entry.config),
    )


def settings_of(config: Mapping[str, Secret]) -> tuple[tuple[str, str], ...]:
    """What PgBouncer and libpq heed, with what tells two values apart."""
    return tuple((name, _told(name, config[name].reveal())) for name in sorted(config) if HEEDED.fullmatch(name))


def _told(name: str, value: str) -> str:
    if GUARDED.search(name):
        return ""
    return value if name in IN_THE_CLEAR and PLAIN.fullmatch(value) else f"#{_digest(value)}"


def _in_words(attachment: Attachment, whose: str) -> str:
    kind = (attachment.namespace or "").partition(":")[0]
    return {"": whose, "connection-pooling": f"{whose} through the server-side pooler"}.get(
        kind, f"{whose} with a {kind} of its own"
    )


def _digest(text: str) -> str:
    """A start command may hold a secret: people write them into Procfiles."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_DIGITS]


def _newest_drill(environment: str, records: Records) -> DrillRecord | None:
    try:
        for run in reversed(records.runs()):
            notes = {note.kind: note for note in records.history(run)[1]}
            if DRILL in notes and DRILLED in notes:
                return _record(environment, run.plan_digest, notes[DRILL], notes[DRILLED])
    except JournalError as error:
        return DrillRecord(environment=environment, trouble=error.message)
    return None


def _record(environment: str, plan_digest: str, begun: Note, ended: Note) -> DrillRecord:
    before = begun.payload if isinstance(begun.payload, Mapping) else {}
    after = ended.payload if isinstance(ended.payload, Mapping) else {}
    try:
        facts = EnvironmentFacts.model_validate(before.get("facts"))
    except ValidationError:
        return DrillRecord(environment=environment, trouble="another version of pgcutover drilled it; drill it again")
    return DrillRecord(
        environment=environment,
        drilled_at=ended.at,
        plan_digest=plan_digest,
        green=after.get("green") is True,
        facts=facts,
    )
