"""How far one environment is like another: what a drill of the one could not show about a move of the other.

Pure: the facts of two environments in, the differences out, each with the reason why it counts. No secret is in the
facts: of a start command only a digest, of config vars too, where their values count. Apps are paired by their part,
not by their names: the billing app with the billing app, the others with whichever is most alike.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

POOLER_BUILDPACK = "pgbouncer"
Facts = TypeVar("Facts")

UNPAIRED = "its part of the move was not practised by anything alike"


class AppFacts(BaseModel):
    """One app, as far as its configuration can make a move end otherwise. All tuples are sorted, but `buildpacks`."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    name: str
    billing: bool
    region: str
    stack: str
    private_space: bool
    buildpacks: tuple[str, ...]
    commands: tuple[tuple[str, str], ...]
    """(process type, digest of its start command) pairs, the release phase among them."""
    pooled: tuple[str, ...]
    """Process types that start through PgBouncer."""
    attachments: tuple[str, ...]
    """What each attachment of the database gives, in words: the primary, a follower, through which pooler."""
    copied_urls: tuple[str, ...]
    """Each with the server that it will name."""
    settings: tuple[tuple[str, str], ...]
    """(name, value or its digest) pairs of the config vars that PgBouncer and libpq heed."""

    @property
    def process_types(self) -> tuple[str, ...]:
        return tuple(kind for kind, _ in self.commands if kind != "release")

    @property
    def follows(self) -> bool:
        return any("follower" in words for words in self.attachments)


class EnvironmentFacts(BaseModel):
    """One environment: its apps, its old database, and the new one that is planned for it."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    environment: str
    apps: tuple[AppFacts, ...]
    addon_plan: str
    followers: int
    major: int
    extensions: tuple[str, ...]
    credentials: int
    target: tuple[tuple[str, str], ...]
    """What was chosen about the new database, by name."""


class Difference(BaseModel):
    """Something of this environment that the drilled one has otherwise, and why that counts."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    where: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.why[:1].upper()}{self.why[1:]}."


class PastDrill(BaseModel):
    """The newest drill of another environment, held against the one that is planned."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    environment: str
    drilled_at: datetime
    plan_digest: str
    green: bool
    """Both worlds were afterwards as before."""
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Aspect(Generic[Facts]):
    """One thing that is compared, in the words that tell what is on one side only."""

    name: str
    why: str
    of: Callable[[Facts], Iterable[str]]


YES = ("yes",)

APP_ASPECTS: tuple[_Aspect[AppFacts], ...] = (
    _Aspect(
        name="PgBouncer's buildpack",
        why="it reads the new URL in its own way (port, password, query string), and the dynos boot through it",
        of=lambda app: [pack for pack in app.buildpacks if POOLER_BUILDPACK in pack],
    ),
    _Aspect(
        name="process types that start through PgBouncer",
        why="they boot only when every URL in PGBOUNCER_URLS suits it",
        of=lambda app: app.pooled,
    ),
    _Aspect(
        name="other buildpacks",
        why="what runs before the application may read the database's variables too",
        of=lambda app: [pack for pack in app.buildpacks if POOLER_BUILDPACK not in pack],
    ),
    _Aspect(
        name="process types",
        why="each is stopped, started and scaled by name during the move",
        of=lambda app: app.process_types,
    ),
    _Aspect(
        name="release phase",
        why="it runs in the middle of the switch, on the new database; when it fails, everything goes back",
        of=lambda app: YES if "release" in dict(app.commands) else (),
    ),
    _Aspect(
        name="attachments",
        why="each becomes a variable of its own that has to name the right server",
        of=lambda app: app.attachments,
    ),
    _Aspect(
        name="copies of the URL",
        why="no attachment keeps them current, and each is changed by name",
        of=lambda app: app.copied_urls,
    ),
    _Aspect(
        name="variables that PgBouncer and libpq heed",
        why="they decide how a connection is made, beside the URL",
        of=lambda app: [" ".join(pair).rstrip() for pair in app.settings],
    ),
    _Aspect(
        name="Private Space", why="there web dynos are not stopped", of=lambda app: YES if app.private_space else ()
    ),
    _Aspect(name="region", why="the way from the dynos to RDS is another, and its time", of=lambda app: (app.region,)),
    _Aspect(name="stack", why="it carries another libpq and other certificates", of=lambda app: (app.stack,)),
)

ENVIRONMENT_ASPECTS: tuple[_Aspect[EnvironmentFacts], ...] = (
    _Aspect(
        name="PostgreSQL",
        why="the old server's version decides what is copied how, and which clients fit",
        of=lambda facts: (str(facts.major),),
    ),
    _Aspect(
        name="Heroku's plan",
        why="plans differ in connections, rights and speed: times and limits of the drill do not carry over",
        of=lambda facts: (facts.addon_plan,),
    ),
    _Aspect(
        name="followers",
        why="what reads them has to be moved to a replica",
        of=lambda facts: (str(facts.followers),),
    ),
    _Aspect(
        name="credentials beside the default one",
        why="each is made anew, with its own password and grants",
        of=lambda facts: (str(facts.credentials),),
    ),
    _Aspect(
        name="extensions", why="each is made on RDS, which has its own versions", of=lambda facts: facts.extensions
    ),
    _Aspect(
        name="the new database",
        why="another choice under [target] was practised than the one that is planned",
        of=lambda facts: [f"{name} {value}" for name, value in facts.target],
    ),
)

COMMANDS = "start commands"
ASPECTS = ("apps", COMMANDS, *(a.name for a in APP_ASPECTS), *(a.name for a in ENVIRONMENT_ASPECTS))
"""Everything that is compared: what cannot be known without a drill."""


def differences(drilled: EnvironmentFacts, planned: EnvironmentFacts) -> tuple[Difference, ...]:
    """What of `planned` is otherwise in `drilled`: the database's first, then app by app."""
    found = [*_environment(drilled, planned)]
    for practised, app in paired(drilled.apps, planned.apps):
        if practised is None or app is None:
            found.append(_unpaired(practised, app, drilled.environment))
        else:
            found += [*_apps(practised, app)]
    return tuple(found)


def paired(
    drilled: Sequence[AppFacts], planned: Sequence[AppFacts]
) -> tuple[tuple[AppFacts | None, AppFacts | None], ...]:
    """Every app of both environments once: (drilled, planned), the most alike first taken; None where none is left."""
    ranked = sorted(
        ((_alike(old, new), old.name, new.name) for old in drilled for new in planned if old.billing == new.billing),
        key=lambda pair: (-pair[0], pair[1:]),
    )
    partner: dict[str, str] = {}
    for _, old, new in ranked:
        if new not in partner and old not in partner.values():
            partner[new] = old
    known = {app.name: app for app in drilled}
    pairs = [(known.get(partner.get(app.name, "")), app) for app in planned]
    return (*pairs, *((app, None) for app in drilled if app.name not in partner.values()))


def _alike(one: AppFacts, other: AppFacts) -> float:
    """What an app does counts more than what it is called: an app that reads followers goes with one that does."""
    names = SequenceMatcher(None, one.name, other.name).ratio()
    parts = _shared(one.process_types, other.process_types) + _shared(one.attachments, other.attachments)
    commands = _shared(dict(one.commands).values(), dict(other.commands).values())
    return 4.0 * (one.follows == other.follows) + parts + commands + names


def _shared(one: Iterable[str], other: Iterable[str]) -> float:
    here, there = set(one), set(other)
    return len(here & there) / len(here | there) if here | there else 1.0


def _unpaired(drilled: AppFacts | None, planned: AppFacts | None, environment: str) -> Difference:
    if planned is not None:
        return Difference(where=planned.name, what=f"nothing like it is in {environment}", why=UNPAIRED)
    assert drilled is not None, "a pair has at least one side"
    return Difference(
        where=drilled.name,
        what=f"of {environment}, has nothing like it here",
        why="the drill moved an app more; what it showed says nothing about this environment",
    )


def _environment(drilled: EnvironmentFacts, planned: EnvironmentFacts) -> Iterator[Difference]:
    for aspect in ENVIRONMENT_ASPECTS:
        yield from _held_against(
            aspect, aspect.of(drilled), aspect.of(planned), where="the database", other=drilled.environment
        )


def _apps(drilled: AppFacts, planned: AppFacts) -> Iterator[Difference]:
    for aspect in APP_ASPECTS:
        yield from _held_against(aspect, aspect.of(drilled), aspect.of(planned), where=planned.name, other=drilled.name)
    here, there = dict(planned.commands), dict(drilled.commands)
    otherwise = [kind for kind in here if kind in there and here[kind] != there[kind]]
    if otherwise:
        yield Difference(
            where=planned.name,
            what=f"{COMMANDS} of {', '.join(otherwise)} differ from those of {drilled.name}",
            why="what boots on the new database was not tried",
        )


def _held_against(
    aspect: _Aspect[Facts], drilled: Iterable[str], planned: Iterable[str], *, where: str, other: str
) -> Iterator[Difference]:
    here, there = Counter(planned), Counter(drilled)
    ours, theirs = list((here - there).elements()), list((there - here).elements())
    if ours or theirs:
        what = f"{aspect.name}: {_listed(ours)}; {other}: {_listed(theirs)}"
        yield Difference(where=where, what=what, why=aspect.why)


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words) or "none"
