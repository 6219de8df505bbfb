"""Make a plan: read the world, let planning decide, put the steps in order. Nothing is changed."""

import getpass
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pgcutover.app.detour import detour
from pgcutover.app.estate import AppEstate, Estate, read_estate, source_dsn
from pgcutover.app.likeness import DrillRecord, about_drills, facts_of, held_against
from pgcutover.app.step_order import planned_steps
from pgcutover.app.trust import trust
from pgcutover.config import Config
from pgcutover.edges.archive import fit_tools
from pgcutover.edges.aws import Aws
from pgcutover.edges.blockers import path_blockers
from pgcutover.edges.catalog import read_inventory
from pgcutover.edges.heroku import HerokuClient
from pgcutover.edges.postgres import Server
from pgcutover.errors import HerokuError, RefusedError
from pgcutover.facts.certificate import brief
from pgcutover.facts.inventory import DatabaseInventory
from pgcutover.planning.estimate import estimates
from pgcutover.planning.instance_classes import CLASSES
from pgcutover.planning.likeness import PastDrill
from pgcutover.planning.moves import AppMoves, Role, kept_attachments, refuse_unknown_logins
from pgcutover.planning.pgbouncer import about_connections, advice, connections, fitted, refuse_hidden
from pgcutover.planning.plan import Advice, AppPlan, ClientPlan, Decisions, Plan, SourcePlan, digest_of
from pgcutover.planning.proposal import TargetProposal, plan_target
from pgcutover.planning.target import Occasion, SourceFacts, TargetPlan
from pgcutover.steps.target_survey import survey_target

MOST_JOBS = 8
"""Streams of the copy at most: beyond, the servers of this size only wait for their disks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What `inventory` found."""

    estate: Estate
    database: DatabaseInventory
    certificate: str
    """SHA-256 of what the database's server can be held to."""
    certificate_enforced: bool
    """Whether every connection is held to it; otherwise it is compared before each command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan with what is known about its length."""

    plan: Plan
    estimates: dict[str, float]


def take_stock(heroku: HerokuClient, config: Config, *, pinned: str = "") -> Stock:
    """Read Heroku and the database; with `pinned`, only from the server that has that certificate.

    Raises as `read_estate`; SourceError when the database cannot be reached, StalePlanError when its server is another.
    """
    estate = read_estate(heroku, config)
    dsn = source_dsn(heroku, estate.leader.billing_app, estate.leader.name)
    trusted = trust(dsn, pinned=pinned, state=config.state)
    server = Server(dsn=trusted.dsn, side="source")
    found = read_inventory(server)
    return Stock(
        estate=estate,
        database=replace(found, blockers=(*found.blockers, *path_blockers(server))),
        certificate=trusted.anchor.sha256,
        certificate_enforced=trusted.anchor.enforced,
    )


def make_plan(
    heroku: HerokuClient,
    aws: Aws,
    config: Config,
    *,
    run_number: int,
    pinned: str = "",
    known: str = "",
    drills: Sequence[DrillRecord] = (),
) -> Planned:
    """Decide everything. `pinned` is the certificate that must be there, `known` one that was there before; `drills`
    are those of other environments, for the plan to say what they could not show.

    Raises:
        RefusedError: something in the source, on Heroku or on AWS speaks against it; each is named.
        ToolError: no pg_dump or pg_restore that fits both versions.
    """
    stock = take_stock(heroku, config, pinned=pinned)
    refuse_blockers(stock.database)
    source = SourceFacts.of(
        stock.database,
        stock.estate.leader.plan.partition(":")[2],
        followers=tuple(follower.name for follower in stock.estate.followers),
    )
    wishes = config.choices.target
    occasion = Occasion(
        app=config.choices.billing_app, environment=config.environment, run_number=run_number, jobs=jobs_for(stock)
    )
    facts = survey_target(aws, wishes, source, occasion)
    proposal = plan_target(wishes, source, facts, occasion)
    decisions = _decisions(heroku, config, stock, proposal, run_number)
    apps = tuple(app.moves for app in decisions.apps)
    steps = planned_steps(decisions)
    plan = Plan(
        created_at=datetime.now(UTC),
        made_by=heroku.account_email() or getpass.getuser(),
        decisions=decisions,
        steps=steps,
        advice=(
            *about_apps(apps, public=proposal.plan.public),
            *_about_certificate(stock, known),
            *about_drills(config, drills),
            *detour(stock.database.data_bytes, wishes.region, config.surroundings),
            *_advice(stock, proposal, apps),
        ),
        drills=_drills(config, stock, proposal, drills),
        digest=digest_of(decisions),
    )
    return Planned(plan=plan, estimates=estimates(decisions, tuple(step.name for step in steps)))


def _drills(
    config: Config, stock: Stock, proposal: TargetProposal, drills: Sequence[DrillRecord]
) -> tuple[PastDrill, ...]:
    if not drills:
        return ()
    return held_against(drills, facts_of(config, stock.estate, stock.database, proposal.plan))


def jobs_for(stock: Stock) -> int:
    """How many streams copy: as many as cores here, never the source's last connections."""
    database = stock.database
    limit = database.connection_limit if database.connection_limit > 0 else database.max_connections
    return max(1, min(MOST_JOBS, os.cpu_count() or 1, (limit - 5) // 3))


def refuse_blockers(database: DatabaseInventory) -> None:
    """Raises RefusedError when something in the database, or a right that is missing, stops the move."""
    stopping = [blocker for blocker in database.blockers if blocker.stops]
    if stopping:
        what = "; ".join(blocker.what for blocker in stopping)
        raise RefusedError(f"this database cannot be moved yet: {what}", hint=stopping[0].hint)


def _decisions(
    heroku: HerokuClient, config: Config, stock: Stock, proposal: TargetProposal, run_number: int
) -> Decisions:
    estate, database, target = stock.estate, stock.database, proposal.plan
    moves = _moves(config, estate, target)
    addons = [estate.leader.name, *(f.name for f in estate.followers)]
    return Decisions(
        environment=config.environment,
        production=config.choices.production,
        run_number=run_number,
        apps=tuple(_app_plan(config, entry, moved) for entry, moved in zip(estate.apps, moves, strict=True)),
        kept=kept_attachments(estate.attachments, addons),
        source=SourcePlan(
            addon=estate.leader.name,
            addon_id=estate.leader.id,
            addon_plan=estate.leader.plan,
            billing_app=estate.leader.billing_app,
            attachment=config.choices.attachment,
            followers=tuple(f.name for f in estate.followers),
            version=database.version,
            database_bytes=database.database_bytes,
            data_bytes=database.data_bytes,
            index_bytes=database.index_bytes,
            tables=sum(t.holds_rows for t in database.tables),
            rows_estimate=database.rows_estimate,
            price_usd_per_month=_price(heroku, estate.leader.plan),
            certificate=stock.certificate,
        ),
        target=target,
        clients=_clients(config, database.version, target.engine_version),
        jobs=jobs_for(stock),
    )


def _moves(config: Config, estate: Estate, target: TargetPlan) -> tuple[AppMoves, ...]:
    """What changes in each app, with URLs that its dynos can use.

    Raises:
        RefusedError: an app would not boot on its new URLs, or has one of a login that is not known.
    """
    moves = estate.moves(target.credentials)
    refuse_unknown_logins(moves, target.credentials)
    return tuple(
        fitted(
            moved if target.replica else moved.on_primary,
            entry.dynos,
            app_role=target.app_role,
            sslmode=config.choices.target.app_sslmode,
        )
        for entry, moved in zip(estate.apps, moves, strict=True)
    )


def _app_plan(config: Config, entry: AppEstate, moves: AppMoves) -> AppPlan:
    choices = config.app_choices(moves.app)
    refuse_hidden(moves.app, {"smoke": choices.smoke, "connect": choices.connect})
    return AppPlan(
        moves=moves,
        smoke=choices.smoke,
        connect=choices.connect,
        formation=tuple(sorted((p.type, p.quantity) for p in entry.formation)),
    )


def _clients(config: Config, source_version: int, engine_version: str) -> ClientPlan:
    major, _, minor = engine_version.partition(".")
    chosen = fit_tools(
        [_from_config(config, text) for text in config.tools.pg_bin],
        source_version=source_version,
        target_version=int(major) * 10000 + int(minor or 0),
    )
    return ClientPlan(
        dump_path=chosen.dump.path,
        dump_version=str(chosen.dump.version),
        restore_path=chosen.restore.path,
        restore_version=str(chosen.restore.version),
    )


def _from_config(config: Config, text: str) -> Path:
    """Paths in pgcutover.toml are relative to the file."""
    return config.file.parent / Path(text).expanduser()


def _price(heroku: HerokuClient, plan: str) -> float | None:
    """Today's price; None when Heroku does not say, for no step depends on it."""
    try:
        return next((p.price_usd_per_month for p in heroku.plans() if p.name == plan), None)
    except HerokuError:
        return None


def _about_certificate(stock: Stock, known: str) -> tuple[Advice, ...]:
    advice = []
    if known not in ("", stock.certificate):
        advice.append(
            Advice(
                what=f"the old database's server presents another certificate ({brief(stock.certificate)}) than the "
                f"plan before knew ({brief(known)}): running this plan accepts it",
                hint="Expected after a failover, maintenance or a change of plan; look: heroku data:maintenances.",
            )
        )
    if not stock.certificate_enforced:
        advice.append(
            Advice(
                what=f"the old database's certificate ({brief(stock.certificate)}) cannot be a root of trust: it is "
                "compared before each command, and the connections that follow are encrypted only",
                hint="It is expired, or signed by an authority that the server does not show.",
            )
        )
    return tuple(advice)


def _advice(stock: Stock, proposal: TargetProposal, apps: Sequence[AppMoves]) -> tuple[Advice, ...]:
    advice = [Advice(what=b.what, hint=b.hint) for b in stock.database.blockers if not b.stops]
    advice += [Advice(what=note, hint="") for note in proposal.notes]
    for moves in apps:
        if moves.has_release_phase:
            advice.append(
                Advice(
                    what=f"{moves.app} has a release phase: it will run on the new database during the switch",
                    hint="Make sure that it can run twice; if it fails, everything goes back.",
                )
            )
        copied = [m.variable for m in moves.variables if m.attachment is None]
        if copied:
            advice.append(Advice(what=f"{moves.app}: {', '.join(copied)} hold copies of the URL and move too", hint=""))
    advice += _about_pgbouncer(stock.estate, proposal.plan, apps)
    advice.append(
        Advice(
            what="Dataclips, pg:links and clients outside Heroku cannot be seen from here: could not check",
            hint="List who else has the old URL (BI, ETL, laptops) and give them the new one after the lift.",
        )
    )
    return tuple(advice)


def about_apps(apps: Sequence[AppMoves], *, public: bool) -> Iterator[Advice]:
    """Apps whose dynos cannot reach the new database, and apps that would be closed for nothing."""
    outside = [moves.app for moves in apps if not moves.private_space]
    if outside and not public:
        yield Advice(
            what=f"exposure is private, and the Common Runtime's dynos of {', '.join(outside)} cannot reach the new "
            "database: connect will fail",
            hint='Write exposure = "public-tls" under [target]; private is for apps in a Private Space that is peered '
            "with the target's network.",
        )
    for moves in apps:
        if not moves.variables:
            yield Advice(
                what=f"{moves.app} has no config var that names the old database: it is closed with the others, and "
                "nothing is changed in it",
                hint="Take it out of apps, unless it uses the database in another way.",
            )


def _about_pgbouncer(estate: Estate, target: TargetPlan, apps: Sequence[AppMoves]) -> Iterator[Advice]:
    held: Counter[Role] = Counter()
    for entry, moves in zip(estate.apps, apps, strict=True):
        yield from advice(moves)
        held.update(connections(moves, entry.dynos))
    classes: dict[Role, str] = {"primary": target.instance_class}
    if target.replica:
        classes["replica"] = target.replica.instance_class
    yield from about_connections(
        held, {role: CLASSES[name].memory_gib for role, name in classes.items() if name in CLASSES}
    )
