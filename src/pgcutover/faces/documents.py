"""Documents that must be of use without pgcutover: the way back by hand, and a plan to read and to pass on.

Pure text in Markdown. Invariant: no secret is in it, for a plan holds none, and every command that needs one asks
Heroku for it at that moment.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from shlex import quote

from pgcutover.errors import ConfigError
from pgcutover.faces.figures import duration, moment
from pgcutover.faces.wording import ABOVE, BELOW, DIGEST_DIGITS, PHASES, POINT_OF_NO_RETURN, plan_facts
from pgcutover.planning.moves import KeptAttachment, VariableMove
from pgcutover.planning.plan import AppPlan, Plan

Formations = Mapping[str, Mapping[str, int]]
"""Quantity by process type, by app."""
POOLING = "connection-pooling"
FENCE_END = "SQL"


def break_glass(
    plan: Plan, *, unfence_sql: Sequence[str], formation: Formations, maintenance: Mapping[str, bool]
) -> str:
    """The exact commands that bring the applications back to the old database with Heroku's command line alone.

    `unfence_sql` are the statements that lower the fence, the first of which makes the session writable; `formation`
    and `maintenance` are as they were before the fence.

    Raises:
        ConfigError: the plan keeps no attachment by which the old database could be reached.
    """
    kept = _kept(plan)
    parts = [
        _preface(plan, kept),
        _block("1. Close the application", "Always. Again does no harm.", _close(plan, formation)),
        _block("2. Point the application at the old database", _when_switched(plan, kept), _point_back(plan, kept)),
        _block("3. Lower the fence", _when_fenced(kept), _lower(kept, unfence_sql)),
        _block("4. Start the dynos", "Always, once 2 and 3 are done.", _start(plan, formation)),
        _block("5. Open the application", "Always, last.", _open(plan, maintenance)),
        _block("6. Check", "Always.", _check(plan, kept)),
        _afterword(plan),
    ]
    return "\n".join(parts)


def plan_markdown(plan: Plan, estimates: Mapping[str, float]) -> str:
    """A plan to review, to paste in a ticket, to print."""
    decisions = plan.decisions
    lines = [
        f"# Plan {plan.digest[:DIGEST_DIGITS]} for {decisions.environment}",
        "",
        f"Made {moment(plan.created_at)} by {plan.made_by}. Digest `{plan.digest}`.",
        "",
        *(f"- **{label}**: {words}" if label else f"  - {words}" for label, words in plan_facts(plan, estimates)),
        *_steps(plan, estimates),
    ]
    if plan.advice:
        lines += ["", "## Before you start", "", *(f"- {a.what}. {a.hint}".rstrip() for a in plan.advice)]
    return "\n".join(lines) + "\n"


def _kept(plan: Plan) -> KeptAttachment:
    for kept in plan.decisions.kept:
        if kept.addon == plan.decisions.source.addon:
            return kept
    raise ConfigError(
        f"the plan keeps no attachment of {plan.decisions.source.addon}",
        hint="Make the plan again: without that attachment there is no way back by hand.",
    )


def _preface(plan: Plan, kept: KeptAttachment) -> str:
    target = plan.decisions.target
    return f"""# Break glass: back to Heroku Postgres by hand

For environment **{plan.decisions.environment}**, plan `{plan.digest[:DIGEST_DIGITS]}`. Use this when pgcutover, its
journal or the machine that it ran on is gone. Otherwise use `pgcutover rollback`: it does the same, checks every step,
and exports what only the new database holds.

You need: the `heroku` command, logged in with rights on the apps below, and `psql`.
No secret is in this file. Type the blocks in order, from 1 to 6. Each says when it applies.

> **Warning. After the lift this loses data from view.** Once the application has been opened on the new database
> (`{target.instance}`, {target.region}), what it wrote there is not in the old database and these commands do not carry
> it back. The rows stay on `{target.instance}`; nothing here deletes it. Keep its URL before block 2 overwrites it:
>
> ```sh
> (umask 077; heroku config:get {_first_variable(plan)} > new-database-url.txt)
> ```
>
> Before the lift nobody but the smoke test has written to the new database, and nothing is lost.

First make sure that no pgcutover is still running for this environment: end it with Ctrl-C, once.
The old database is `{plan.decisions.source.addon}`; it stays attached to `{kept.app}` as `{kept.name}`.
"""


def _first_variable(plan: Plan) -> str:
    """The variable that tells on which side the application is: the database's own, never a copy."""
    source = plan.decisions.source
    return f"{quote(source.attachment)}_URL -a {quote(source.billing_app)}"


def _block(title: str, when: str, commands: Iterator[str]) -> str:
    return "\n".join([f"## {title}", "", f"*When:* {when}", "", "```sh", *commands, "```", ""])


def _close(plan: Plan, formation: Formations) -> Iterator[str]:
    for app in plan.decisions.apps:
        yield f"heroku maintenance:on -a {quote(app.moves.app)}"
        # In a Private Space web=0 shows errors instead of the page. https://devcenter.heroku.com/articles/maintenance-mode
        kept = app.moves.web_types if app.moves.private_space else ()
        down = [kind for kind in formation.get(app.moves.app, {}) if kind not in kept]
        if down:
            yield f"heroku ps:scale {' '.join(f'{quote(kind)}=0' for kind in down)} -a {quote(app.moves.app)}"


def _when_switched(plan: Plan, kept: KeptAttachment) -> str:
    legacy = f"`heroku config:get {kept.name}_URL -a {kept.app}`"
    return (
        f"only if the switch has begun: `heroku config:get {_first_variable(plan)}` prints nothing, or another host "
        f'than {legacy}. If Heroku answers "Cannot overwrite attachment values", that attachment is in place: go on '
        "with the next command. If a release phase fails here, go on too: it has no database until the last attachment "
        "is back."
    )


def _point_back(plan: Plan, kept: KeptAttachment) -> Iterator[str]:
    nothing = True
    for app in plan.decisions.apps:
        owned = [move for move in app.moves.variables if move.attachment]
        copied = [move for move in app.moves.variables if not move.attachment]
        nothing = nothing and not app.moves.variables
        for move in owned:
            # One at a time: Heroku refuses all of a command when one of its variables is owned by an attachment.
            yield f"heroku config:unset {quote(move.variable)} -a {quote(app.moves.app)}"
            yield _attach(move, app)
        if copied:
            url = f'"$(heroku config:get {kept.name}_URL -a {quote(kept.app)})"'
            given = " ".join(f"{quote(m.variable)}={url}" for m in copied)
            yield "# These held copies of the old URL. Had one a credential or options of its own, its exact value"
            yield "# is among the saved values under .pgcutover/ on the machine that ran pgcutover."
            yield f"heroku config:set {given} -a {quote(app.moves.app)}"
    if nothing:
        yield "# This plan changes no config var."


def _attach(move: VariableMove, app: AppPlan) -> str:
    kind, _, name = (move.namespace or "").partition(":")
    where = f"--as {quote(move.attachment or '')} -a {quote(app.moves.app)}"
    if kind == POOLING:
        return f"heroku pg:connection-pooling:attach {quote(move.addon)} {where}"
    return f"heroku addons:attach {quote(move.addon)} {where}" + (f" --credential {quote(name)}" if name else "")


def _when_fenced(kept: KeptAttachment) -> str:
    where = f"{kept.name}_URL -a {kept.app}"
    return (
        "always, also before the switch. Harmless where the fence does not stand. It waits while another session holds "
        f"the fence's locks: `heroku pg:ps {where}` shows it, `heroku pg:kill PID {where}` ends it."
    )


def _lower(kept: KeptAttachment, statements: Sequence[str]) -> Iterator[str]:
    yield f"heroku pg:psql {kept.name}_URL -a {quote(kept.app)} <<'{FENCE_END}'"
    yield r"\set ON_ERROR_STOP on"
    for statement in statements:
        yield f"{statement.strip().removesuffix(';')};"
    yield FENCE_END


def _start(plan: Plan, formation: Formations) -> Iterator[str]:
    for app in plan.decisions.apps:
        up = {kind: n for kind, n in formation.get(app.moves.app, {}).items() if n}
        if up:
            yield f"heroku ps:scale {' '.join(f'{quote(k)}={n}' for k, n in up.items())} -a {quote(app.moves.app)}"
        else:
            yield f"# {app.moves.app} had no dyno running."


def _open(plan: Plan, maintenance: Mapping[str, bool]) -> Iterator[str]:
    for app in plan.decisions.apps:
        if maintenance.get(app.moves.app, False):
            yield f"# {app.moves.app} was in maintenance mode before the move: leave it so."
        else:
            yield f"heroku maintenance:off -a {quote(app.moves.app)}"


def _check(plan: Plan, kept: KeptAttachment) -> Iterator[str]:
    for app in plan.decisions.apps:
        name = quote(app.moves.app)
        yield f"heroku releases -a {name} -n 5          # the newest have succeeded"
        yield f"heroku addons -a {name}                 # {_attached(app)}"
        yield f"heroku ps -a {name}                     # every dyno is up, none crashed"
        yield f"heroku logs -a {name} -n 100            # no error about the database"
    yield f"echo 'SHOW default_transaction_read_only' | heroku pg:psql {kept.name}_URL -a {quote(kept.app)}   # off"


def _attached(app: AppPlan) -> str:
    names = [move.attachment for move in app.moves.variables if move.attachment]
    return f"shows {', '.join(names)} again" if names else "as before"


def _afterword(plan: Plan) -> str:
    target = plan.decisions.target
    return f"""Then keep this file and the journal, do not run `pgcutover migrate` again for this run, and look into
`{target.instance}` before anybody deletes it: after a lift it may hold the only copy of a row.
"""


def _steps(plan: Plan, estimates: Mapping[str, float]) -> Iterator[str]:
    for phase, group in groupby(enumerate(plan.steps), key=lambda pair: pair[1].phase):
        title, aside = PHASES[phase]
        yield from ("", f"## {title.capitalize()}: {aside}", "")
        for number, step in group:
            if number == plan.lift:
                yield from ("", f"> **{POINT_OF_NO_RETURN}**: {ABOVE}; {BELOW}.", "")
            yield f"{number + 1}. **{step.name}** ({duration(estimates.get(step.name))}): {step.title}"
            yield f"   - undo by hand: {step.by_hand}"
