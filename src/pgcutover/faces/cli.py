"""The `pgcutover` command: words on the command line become calls of the use cases, their values become text or JSON.

No decision about a migration is taken here. Errors end with the exit code of their class; 1, 2 and 3 are only ever
verdicts of `verify`; 64 is a wrong command line and 70 a bug.
"""

import json as json_
import re
import sys
import traceback
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from pgcutover.app.compared import Comparison
from pgcutover.app.comparison import Looking
from pgcutover.app.needed import needs_config, rights_needed
from pgcutover.app.people import OnFailure
from pgcutover.app.records import unpack_beside
from pgcutover.config import Surroundings, read_config
from pgcutover.errors import ConfigError, InterruptedRun, PgcutoverError, UsageError
from pgcutover.faces import (
    cli_copy,
    cli_host,
    cli_lab,
    cli_probe,
    cli_rights,
    cli_tune,
    cli_verify,
    documents,
    first_night,
    live,
    render,
    report,
)
from pgcutover.faces.asking import asker as _asker
from pgcutover.faces.consoles import console
from pgcutover.faces.options import DEFAULT, Config, DryRun, Environment, Json, Yes
from pgcutover.faces.output import advised, emit
from pgcutover.facts.building import SortMemory
from pgcutover.facts.names import MASK

if TYPE_CHECKING:
    from pgcutover.app.cutover import Cutover

Opened = TypeVar("Opened", bound="Cutover")
GO_ON = "Run the same command again to go on; where a move stands, pgcutover status tells."

cli = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
cli.add_typer(cli_lab.lab, name="lab")
cli.command("demo")(cli_lab.demo)
cli.add_typer(cli_host.host, name="host")

out = console()
err = console(stderr=True)

AcceptCertificate = Annotated[
    str, typer.Option(help="Trust this certificate of the old database's server from now on.", metavar="SHA256")
]
PlanFile = Annotated[
    Path | None, typer.Argument(help="A plan file; default: the environment's newest.", metavar="PLAN")
]

PASSWORD = re.compile(r"(://[^:/@\s]*:)[^\s]+@")


def _tell_version(wanted: bool) -> None:
    if wanted:
        out.print(f"pgcutover {version('pgcutover')}")
        raise typer.Exit


@cli.callback()
def everywhere(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """Move a production PostgreSQL database, and the applications on it, from Heroku Postgres to Amazon RDS."""


def _cutover(config: Path, environment: str | None, *, json: bool = False, accept_certificate: str = "") -> "Cutover":
    # Loaded here: with its vendors' libraries it takes longer than all the rest, and two databases need none of it.
    from pgcutover.app.cutover import Cutover

    return _opened(Cutover, config, environment, json=json, accept_certificate=accept_certificate)


def _opened(
    kind: "type[Opened]", config: Path, environment: str | None, *, json: bool, accept_certificate: str
) -> "Opened":
    read = read_config(config.absolute(), environment, Surroundings.read())
    accepted = _fingerprint(accept_certificate) if accept_certificate else ""
    return kind(
        read,
        live.listener(err, json=json),
        accept_certificate=accepted,
        advise=lambda advice: advised(advice, err, json=json),
    )


@cli.command()
def init(
    app: Annotated[str, typer.Argument(help="The billing app of the database.", metavar="APP")],
    region: Annotated[str, typer.Option(help="AWS region; default: the one next to the app's.")] = "",
    exposure: Annotated[str, typer.Option(help="public-tls or private; left for you to write when not given.")] = "",
    attachment: Annotated[str, typer.Option(help="Attachment of the database.")] = "DATABASE",
    env: Annotated[str, typer.Option("--env", help="Name of the environment to write.", metavar="NAME")] = "production",
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """Look at APP and write pgcutover.toml with every app on its database."""
    from pgcutover.app.first import write_config

    written = write_config(
        config.absolute(),
        app,
        environment=env,
        attachment=attachment,
        region=region,
        exposure=exposure,
        around=Surroundings.read(),
    )
    emit(out, written, render.written_config(written), json=json)


@cli.command()
def inventory(config: Config = DEFAULT, env: Environment = None, json: Json = False) -> None:
    """Read what there is on Heroku and in the database; change nothing."""
    with _cutover(config, env, json=json) as cutover:
        found = cutover.inventory()
    emit(out, found, render.inventory(found), json=json)


@cli.command()
def plan(
    config: Config = DEFAULT,
    env: Environment = None,
    json: Json = False,
    code: Annotated[bool, typer.Option("--code", help="Show the confirmation code of a stored plan instead.")] = False,
    file: Annotated[Path | None, typer.Option("--plan", help="With --code: the plan file.", metavar="FILE")] = None,
) -> None:
    """Take stock (inventory), decide everything, show it, and store the plan under .pgcutover/."""
    with _cutover(config, env, json=json) as cutover:
        if code:
            shown = cutover.confirmation_code(file)
            emit(out, shown, render.code(shown), json=json)
            return
        planned = cutover.plan()
    emit(out, planned, render.plan_table(planned.plan, planned.estimates), json=json)


@cli.command()
def prepare(
    plan_file: PlanFile = None,
    config: Config = DEFAULT,
    env: Environment = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Days ahead: make the target and a second attachment. Users notice nothing but a release or two."""
    with _cutover(config, env, json=json) as cutover:
        if dry_run:
            planned = cutover.read_plan(plan_file)
            emit(out, planned, render.dry_run(planned.plan, phases=("prepare",)), json=json)
            return
        summary = cutover.prepare(plan_file)
    emit(out, summary, render.closing(summary), json=json)


@cli.command()
def migrate(
    plan_file: PlanFile = None,
    config: Config = DEFAULT,
    env: Environment = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    code: Annotated[str, typer.Option(help="A colleague's NAME:CODE, for production plans.", metavar="NAME:CODE")] = "",
    on_failure: Annotated[
        OnFailure, typer.Option(help="return: go back by itself; stop: stay closed and wait for you.")
    ] = OnFailure.RETURN,
    accept_release: Annotated[
        list[str] | None, typer.Option(help="Let a release that we did not make stand.", metavar="APP:VERSION")
    ] = None,
    accept_certificate: AcceptCertificate = "",
    accept_unverified: cli_verify.AcceptUnverified = None,
    json: Json = False,
) -> None:
    """Move: fence, copy, verify, switch, smoke, lift. The same command goes on after any stop."""
    with _cutover(config, env, json=json, accept_certificate=accept_certificate) as cutover:
        if dry_run:
            planned = cutover.read_plan(plan_file)
            emit(out, planned, render.dry_run(planned.plan), json=json)
            return
        for advice in cutover.detour(plan_file):
            advised(advice, err, json=json)
        summary = cutover.migrate(
            plan_file,
            ask=_asker(yes=yes, code=code),
            break_glass=documents.break_glass,
            on_failure=on_failure,
            accepted=tuple(_app_and_version(text) for text in accept_release or ()),
            unverified=tuple(cli_verify.table_and_reason(text) for text in accept_unverified or ()),
        )
        paper = config.absolute().parent / first_night.FIRST_NIGHT
        cutover.write_document(paper, first_night.first_night(summary.plan), beside_state=False)
        err.print(f"wrote {paper}: what to watch from now on")
    emit(out, summary, render.closing(summary), json=json)


@cli.command()
def verify(
    context: typer.Context,
    source: cli_verify.Source = None,
    target: cli_verify.Target = None,
    show_keys: cli_verify.ShowKeys = False,
    limit: cli_verify.Limit = 10,
    jobs: cli_verify.Jobs = 4,
    config: Config = DEFAULT,
    env: Environment = None,
    json: Json = False,
) -> None:
    """Compare two databases; default: the run's. Exit code 0 same, 1 warnings, 2 different, 3 could not verify."""

    def of_run(looking: Looking) -> Comparison:
        try:
            cutover = _cutover(config, env, json=json)
        except ConfigError as error:
            raise cli_verify.or_others(error, config) from error
        with cutover:
            return cutover.verify(looking)

    looking = Looking(limit=limit, jobs=jobs, show_keys=show_keys)
    outcome = cli_verify.compared(context, source, target, looking, of_run=of_run, err=err, json=json)
    emit(out, outcome, render.comparison(outcome), json=json, wrapped=False)
    raise typer.Exit(outcome.exit_code)


@cli.command()
def copy(
    context: typer.Context,
    source: cli_copy.Source = None,
    target: cli_copy.Target = None,
    jobs: cli_copy.Jobs = None,
    cluster: cli_copy.Cluster = None,
    cluster_ca: cli_copy.ClusterCa = None,
    cluster_cert: cli_copy.ClusterCert = None,
    cluster_key: cli_copy.ClusterKey = None,
    verify: cli_copy.Verify = False,
    sort_memory: cli_copy.Sorts = SortMemory.AUTO,
    pg_bin: cli_copy.PgBin = None,
    state: cli_copy.State = cli_copy.STATE,
    json: Json = False,
) -> None:
    """Copy one database into an empty one. The source is only read; the same command goes on after any stop."""
    place = cli_copy.cluster_place(cluster, ca=cluster_ca, cert=cluster_cert, key=cluster_key)
    done = cli_copy.copied(
        context,
        source,
        target,
        jobs=jobs,
        cluster=place,
        verify=verify,
        state=state,
        pg_bin=pg_bin or (),
        sort_memory=sort_memory,
        err=err,
        json=json,
    )
    emit(out, done, render.copied(done), json=json, wrapped=False)
    if done.comparison is not None:
        raise typer.Exit(done.comparison.exit_code)


@cli.command()
def tune(
    context: typer.Context,
    source: cli_tune.Source = None,
    target: cli_tune.Target = None,
    jobs: cli_tune.Jobs = "",
    repeats: cli_tune.Repeats = 3,
    part: cli_tune.PartSize = cli_tune.PART,
    write: cli_tune.Write = False,
    file: cli_tune.PlanFile = None,
    pg_bin: cli_copy.PgBin = None,
    state: cli_copy.State = cli_copy.STATE,
    config: Config = DEFAULT,
    env: Environment = None,
    json: Json = False,
) -> None:
    """Try settings of a copy on your own data, and say which is fastest. Both databases are only read."""
    plan = cli_tune.stored_plan(context, write=write, file=file, config=config, environment=env)
    done = cli_tune.tuned(
        context,
        source,
        target,
        jobs=jobs,
        repeats=repeats,
        part=part,
        plan=plan,
        pg_bin=pg_bin or (),
        state=state,
        err=err,
        json=json,
    )
    emit(out, done, render.tuned(done), json=json)


@cli.command()
def probe(
    region: cli_probe.Region = "us-east-1",
    heroku_only: cli_probe.HerokuOnly = False,
    aws_only: cli_probe.AwsOnly = False,
    transcript: cli_probe.TranscriptFile = None,
    clean: cli_probe.Clean = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Look whether Heroku and AWS are as pgcutover takes them to be, on things of its own. Says first what it costs."""
    cli_probe.probed(
        region=region,
        heroku_only=heroku_only,
        aws_only=aws_only,
        transcript=transcript,
        clean=clean,
        dry_run=dry_run,
        asker=lambda: _asker(yes=yes, code=""),
        out=out,
        err=err,
        json=json,
    )


@cli.command()
def status(
    config: Config = DEFAULT,
    env: Environment = None,
    json: Json = False,
    export: Annotated[Path | None, typer.Option(help="Write the run's state to FILE (0600).", metavar="FILE")] = None,
    import_: Annotated[
        Path | None, typer.Option("--import", help="Take over a state from FILE.", metavar="FILE")
    ] = None,
) -> None:
    """Where the move stands and what to type next."""
    if export and import_:
        raise UsageError("give --export or --import, not both")
    if import_:
        from pgcutover.app.cutover import BREAK_GLASS

        for path in unpack_beside(import_, config.absolute(), BREAK_GLASS):
            err.print(f"wrote {path}")
    with _cutover(config, env, json=json) as cutover:
        if import_:
            cutover.import_state(import_)
        if export:
            cutover.export_state(export)
            err.print(f"wrote {export}: it holds secrets, and only you may read it")
        summary = cutover.status()
    emit(out, summary, render.status(summary), json=json)


@cli.command()
def rollback(
    config: Config = DEFAULT,
    env: Environment = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    without_export: Annotated[
        str, typer.Option(help="Go back although the new database cannot be reached; journalled.", metavar="REASON")
    ] = "",
    accept_certificate: AcceptCertificate = "",
    json: Json = False,
) -> None:
    """Go back to the old database. Rows that only the new one has are exported and counted; nothing is deleted."""
    with _cutover(config, env, json=json, accept_certificate=accept_certificate) as cutover:
        if dry_run:
            summary = cutover.status()
            emit(out, summary, render.undo_plan(summary), json=json)
            return
        summary, left = cutover.rollback(ask=_asker(yes=yes, code=""), without_export=without_export)
    emit(out, summary, render.returned(summary, left), json=json)


@cli.command()
def drill(
    config: Config = DEFAULT,
    env: Environment = None,
    yes: Yes = False,
    accept_certificate: AcceptCertificate = "",
    json: Json = False,
) -> None:
    """Move an environment that is not production, go back at once, and show that everything is as before."""
    from pgcutover.app.drill import Drill

    with _opened(Drill, config, env, json=json, accept_certificate=accept_certificate) as opened:
        drilled = opened.drill(ask=_asker(yes=yes, code=""), break_glass=documents.break_glass)
    emit(out, drilled, render.drilled(drilled), json=json)
    raise typer.Exit(drilled.exit_code)


@cli.command()
def retire(
    config: Config = DEFAULT,
    env: Environment = None,
    yes: Yes = False,
    accept_certificate: AcceptCertificate = "",
    json: Json = False,
) -> None:
    """After the move: remove pgcutover's scaffolding and say what may be destroyed. It destroys nothing itself."""
    with _cutover(config, env, json=json, accept_certificate=accept_certificate) as cutover:
        retired = cutover.retire(ask=_asker(yes=yes, code=""))
    emit(out, retired, render.retired(retired), json=json)


@cli.command()
def destroy(
    target: Annotated[str, typer.Option(help="The instance's name, typed in full.", metavar="NAME")],
    config: Config = DEFAULT,
    env: Environment = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Delete the RDS instance that pgcutover made, after a final snapshot. Only after a rollback."""
    with _cutover(config, env, json=json) as cutover:
        destroyed = cutover.destroy(target, ask=_asker(yes=yes, code=""))
    emit(out, destroyed, render.destroyed(destroyed), json=json)


@cli.command()
def rights(
    commands: cli_rights.Commands = None,
    config: Config = DEFAULT,
    env: Environment = None,
    policy: cli_rights.Policy = False,
    json: Json = False,
) -> None:
    """What each command needs on Heroku and on AWS, and the smallest IAM policy. Asks nobody, changes nothing."""
    bare = env is None and not config.exists() and not needs_config(commands or ())
    read = None if bare else read_config(config.absolute(), env, Surroundings.read())
    cli_rights.show(out, rights_needed(read, commands or ()), policy=policy, json=json)


@cli.command("report")
def write_report(
    config: Config = DEFAULT,
    env: Environment = None,
    to: Annotated[Path | None, typer.Option("--out", help="Where to write the HTML file.", metavar="FILE")] = None,
    json: Json = False,
) -> None:
    """Write one self-contained HTML page: timeline, outages, proof, what changed, what to do next."""
    with _cutover(config, env, json=json) as cutover:
        summary = cutover.status()
        path = cutover.write_document(to or Path("report.html"), report.html(summary), beside_state=to is None)
    emit(out, {"version": 1, "report": str(path)}, f"report: {path}", json=json)


def _app_and_version(text: str) -> tuple[str, int]:
    app, _, version = text.rpartition(":")
    number = version.removeprefix("v")
    if not app or not number.isdigit():
        raise UsageError(f"{text!r} is not APP:VERSION", hint="For example acme-api:v57.")
    return app, int(number)


def _fingerprint(text: str) -> str:
    """As people copy them: in upper case, with colons."""
    digits = text.replace(":", "").lower()
    if re.fullmatch("[0-9a-f]{64}", digits) is None:
        raise UsageError(f"{text!r} is no SHA-256 fingerprint", hint="Give the 64 digits that the message names.")
    return digits


def _wants_json() -> bool:
    """By the command line as it was typed: what went wrong may be that it could not be parsed."""
    return "--json" in sys.argv[1:]


def _say_error(error: PgcutoverError) -> None:
    """For a person; as one JSON line on stderr where the command was to print JSON."""
    if not _wants_json():
        err.print(render.error(error))
        return
    told = {"type": type(error).__name__, "message": error.message, "hint": error.hint, "exit_code": error.exit_code}
    err.out(json_.dumps({"version": 1, "error": told}), highlight=False)


def _say_usage(error: typer.exceptions.TyperException) -> None:
    """As the library says it; as one JSON line where JSON was asked for. A URL typed amiss keeps its password."""
    error.message = PASSWORD.sub(rf"\1{MASK}@", error.message)
    context = getattr(error, "ctx", None)
    if _wants_json():
        of = context.command_path if context is not None else "pgcutover"
        _say_error(UsageError(error.format_message(), hint=f"{of} --help lists what there is."))
        return
    # Typer's own class has no public method for it; each usage error has `show`.
    show: Callable[[object], None] = getattr(error, "show", err.print)
    show(sys.stderr)


def _say_bug(what: str) -> None:
    about = "the state of the move is in the journal: run pgcutover status; please report this"
    if _wants_json():
        _say_error(PgcutoverError(f"bug: {what}", hint=about))
        return
    err.print(f"bug: {what}", markup=False)
    err.print(about, markup=False)


def main() -> NoReturn:
    """Run the command line; never shows a traceback for an error of ours."""
    try:
        result = cli(standalone_mode=False)
        if result == InterruptedRun.exit_code:
            # Typer has swallowed the Ctrl-C.
            raise KeyboardInterrupt
        sys.exit(result if isinstance(result, int) else 0)
    except PgcutoverError as error:
        _say_error(error)
        sys.exit(error.exit_code)
    except typer.exceptions.TyperException as error:
        _say_usage(error)
        sys.exit(UsageError.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        _say_error(InterruptedRun("interrupted", hint=GO_ON))
        sys.exit(InterruptedRun.exit_code)
    except Exception as bug:  # noqa: BLE001  (the last frame: whatever it is, it must not look like a verdict)
        frames = traceback.extract_tb(bug.__traceback__)
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown"
        _say_bug(f"{type(bug).__name__} at {where}")
        sys.exit(PgcutoverError.exit_code)
