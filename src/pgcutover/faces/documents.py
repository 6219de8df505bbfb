"""Documents that must be of use without pgcutover: the way back by hand, and a plan to read and to pass on.

Pure text in Markdown. Invariant: no secret is in it, for a plan holds none, and every command that needs one asks
Heroku for it at that moment. A block of commands can be pasted whole into bash or zsh, wherever the move stopped, and
once more: it holds no comment (an interactive zsh takes `#` for a word), asks nothing, and shows no secret.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from shlex import quote

from pgcutover.errors import ConfigError
from pgcutover.faces.figures import duration, moment
from pgcutover.faces.wording import (
    ABOVE,
    BELOW,
    DIGEST_DIGITS,
    PHASES,
    POINT_OF_NO_RETURN,
    drill_heading,
    drill_sentences,
    plan_facts,
)
from pgcutover.planning.moves import PGBOUNCER_URLS, KeptAttachment, VariableMove
from pgcutover.planning.plan import AppPlan, Plan

Formations = Mapping[str, Mapping[str, int]]
"""Quantity by process type, by app."""
KEPT_URLS = "database-urls.txt"
"""Where block 3 keeps the URL that it is about to replace."""
RELEASE_POLL_S = 2
# Heroku starts its dynos, nobody scales it. https://devcenter.heroku.com/articles/release-phase
RELEASE_PHASE = "release"


def break_glass(
    plan: Plan, *, unfence_sql: Sequence[str], formation: Formations, maintenance: Mapping[str, bool]
) -> str:
    """The exact commands that bring the applications back to the old database with Heroku's command line alone.

    `unfence_sql` are the statements that lower the fence, in one transaction that may write whatever the default;
    joined by line breaks they are a script for psql. `formation` and `maintenance` are as they were before the fence.

    Raises:
        ConfigError: the plan keeps no attachment by which the old database could be reached.
    """
    kept = _kept(plan)
    parts = [
        _preface(plan, kept),
        _block("1. Close the application", _when_closed(), _close(plan, formation)),
        # Before the variables change: a release phase may write to the database that they name.
        _block("2. Lower the fence", _when_fenced(), _lower(kept, unfence_sql)),
        _block("3. Point the application at the old database", _when_switched(plan), _point_back(plan, kept)),
        _block("4. Start the dynos", "always, once 2 and 3 are done.", _start(plan, formation)),
        _block("5. Open the application", "always, last.", _open(plan, maintenance)),
        _block("6. Check", _what_to_see(plan), _check(plan, kept)),
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
    for drill in plan.drills:
        head, aside = drill_heading(drill)
        lines += ["", f"## {head}", "", f"{aside}.", "", *(f"- {sentence}" for sentence in drill_sentences(drill))]
    return "\n".join(lines) + "\n"


def _kept(plan: Plan) -> KeptAttachment:
    kept = _kept_of(plan, plan.decisions.source.addon)
    if kept:
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

You need: the `heroku` command, logged in with rights on the apps below, and `psql`. No secret is in this file.

First make sure that no pgcutover is still running for this environment: end it with Ctrl-C, once. Then paste block
after block into bash or zsh, from 1 to 6, each when the one before has ended. Wherever the move stopped, each block is
right, and doing it again does no harm: after an error that is not spoken of here, paste the same block once more.

The old database is `{plan.decisions.source.addon}`; it stays attached to `{kept.app}` as `{kept.name}`.

> **Warning. After the lift this loses data from view.** Once the application has been opened on the new database
> (`{target.instance}`, {target.region}), what it wrote there is not in the old database and these commands do not carry
> it back. The rows stay on `{target.instance}`; nothing here deletes it. Block 3 keeps its URL in `{KEPT_URLS}`, for
> your eyes only. Before the lift nobody but the smoke test has written to the new database, and nothing is lost.
"""


def _block(title: str, when: str, commands: Iterator[str]) -> str:
    return "\n".join([f"## {title}", "", f"*When:* {when}", "", "```sh", *commands, "```", ""])


def _when_closed() -> str:
    return (
        "always. The last command shows what still runs. A dyno of the application ends within 30 seconds; a one-off "
        "or Scheduler dyno goes on writing until you end it with `heroku ps:stop NAME -a APP`."
    )


def _close(plan: Plan, formation: Formations) -> Iterator[str]:
    for app in plan.decisions.apps:
        name = quote(app.moves.app)
        yield f"heroku maintenance:on -a {name}"
        # In a Private Space web=0 shows errors instead of the page. https://devcenter.heroku.com/articles/maintenance-mode
        kept = app.moves.web_types if app.moves.private_space else ()
        down = [kind for kind in formation.get(app.moves.app, {}) if kind not in (*kept, RELEASE_PHASE)]
        if down:
            yield f"heroku ps:scale {' '.join(f'{quote(kind)}=0' for kind in down)} -a {name}"
        yield f"heroku ps -a {name}"


def _when_fenced() -> str:
    return (
        "always, also before the switch; where the fence does not stand it changes nothing. It ends pgcutover's own "
        "sessions, then it ends everybody's: a session that began under the fence would stay read-only. "
        "COMMIT must be among the answers; an error after it names what belongs to somebody else now and was therefore "
        "not given back: all the rest was."
    )


def _lower(kept: KeptAttachment, statements: Sequence[str]) -> Iterator[str]:
    database = f"{quote(kept.name)}_URL -a {quote(kept.app)}"
    script = "\n".join(statements)
    end = "SQL"
    while end in script.splitlines():
        # A table's name may have any line in it.
        end += "_"
    yield f"heroku pg:psql {database} <<'{end}'"
    yield r"\set ON_ERROR_STOP on"
    yield r"\set AUTOCOMMIT on"
    yield script
    yield end
    yield f"heroku pg:killall {database}"


def _when_switched(plan: Plan) -> str:
    copies = [
        f"{m.variable} of {app.moves.app}"
        for app in plan.decisions.apps
        for m in app.moves.variables
        if not m.attachment
    ]
    exact = (
        f" {', '.join(copies)}: each held a copy of an old URL and gets the one of today; had it a user or options of "
        "its own, its exact value is among the saved values below .pgcutover/ on the machine that ran pgcutover."
    )
    return (
        'always; it changes only what the switch has changed. "Cannot overwrite attachment values" means that this one '
        "is in place already. It ends with the newest releases, and the first in the list must not have failed: if its "
        f"release phase did, `heroku releases:retry -a APP`.{exact if copies else ''}"
    )


def _point_back(plan: Plan, kept: KeptAttachment) -> Iterator[str]:
    source = plan.decisions.source
    now = f"heroku config:get {quote(source.attachment)}_URL -a {quote(source.billing_app)}"
    yield f"(umask 077; {now} >> {KEPT_URLS})"
    for app in plan.decisions.apps:
        # First, for the last release should be one of attaching, which runs no release phase that could fail.
        yield from _copies_back(plan, kept, app)
        yield from _pooling_back(app)
        for move in app.moves.variables:
            if move.attachment:
                # One at a time, for Heroku refuses all of a command when an attachment owns one of its variables; and
                # together, for an attachment that is in place needs nothing.
                yield f"heroku config:unset {quote(move.variable)} -a {quote(app.moves.app)} &&"
                yield f"  {_attach(plan, move, app)}"
    for app in plan.decisions.apps:
        # A dyno that starts while a release is pending starts with the config of the one before.
        pending = f"""heroku releases -n 1 --json -a {quote(app.moves.app)} | grep -q '"status": *"pending"'"""
        yield f"while {pending}; do sleep {RELEASE_POLL_S}; done"
        yield f"heroku releases -n 3 -a {quote(app.moves.app)}"


def _copies_back(plan: Plan, kept: KeptAttachment, app: AppPlan) -> Iterator[str]:
    """Variables that no attachment owns: those that name the new database now, and no other, get the old URL."""
    name = quote(app.moves.app)
    copies = sorted((m for m in app.moves.variables if not m.attachment), key=lambda m: (m.addon, m.user))
    for (addon, user), alike in groupby(copies, key=lambda m: (m.addon, m.user)):
        yield f'old="$({_url_of(_kept_of(plan, addon) or kept, user)})"'
        yield f"for name in {' '.join(quote(m.variable) for m in alike)}; do"
        # Without an answer from Heroku nothing may be set: an empty value would be one.
        switched = f'heroku config:get "$name" -a {name} | grep -qF {quote(f"/{plan.decisions.target.database}")}'
        yield f'  if [ -n "$old" ] && {switched}; then'
        yield f'    heroku config:set "$name=$old" -a {name} > /dev/null'
        yield "  fi"
        yield "done"


def _url_of(kept: KeptAttachment, user: str) -> str:
    """The command that prints the URL by which a kept attachment, or a further credential of its add-on, connects."""
    if not user:
        return f"heroku config:get {quote(kept.name)}_URL -a {quote(kept.app)}"
    url = f"heroku pg:credentials:url {quote(kept.name)}_URL --name {quote(user)} -a {quote(kept.app)}"
    return f"{url} | grep -o 'postgres://[^ ]*'"


def _kept_of(plan: Plan, addon: str) -> KeptAttachment | None:
    return next((kept for kept in plan.decisions.kept if kept.addon == addon), None)


def _pooling_back(app: AppPlan) -> Iterator[str]:
    """PGBOUNCER_URLS, where there was none: it names the same variables before and after."""
    pooling, name = app.moves.pooling, quote(app.moves.app)
    if pooling and not pooling.was_set:
        yield f'if [ "$(heroku config:get {PGBOUNCER_URLS} -a {name})" = {quote(pooling.urls)} ]; then'
        yield f"  heroku config:unset {PGBOUNCER_URLS} -a {name}"
        yield "fi"


def _attach(plan: Plan, move: VariableMove, app: AppPlan) -> str:
    where = f"--as {quote(move.attachment or '')} -a {quote(app.moves.app)}"
    if move.pooler:
        # The add-on's own name has several meanings to this command once more than one credential is attached.
        kept = _kept_of(plan, move.addon)
        known = f"{kept.app}::{kept.name}" if kept else move.addon
        return f"heroku pg:connection-pooling:attach {quote(known)} {where}"
    credential = f" --credential {quote(move.credential)}" if move.credential else ""
    # Confirmed beforehand: a question would take the next pasted line for its answer.
    return f"heroku addons:attach {quote(move.addon)} {where}{credential} --confirm {quote(app.moves.app)}"


def _start(plan: Plan, formation: Formations) -> Iterator[str]:
    for app in plan.decisions.apps:
        up = {kind: n for kind, n in formation.get(app.moves.app, {}).items() if n}
        if up:
            yield f"heroku ps:scale {' '.join(f'{quote(k)}={n}' for k, n in up.items())} -a {quote(app.moves.app)}"
        else:
            yield f"echo {quote(f'{app.moves.app} had no dyno running')}"


def _open(plan: Plan, maintenance: Mapping[str, bool]) -> Iterator[str]:
    for app in plan.decisions.apps:
        if maintenance.get(app.moves.app, False):
            yield f"echo {quote(f'{app.moves.app} was in maintenance mode before the move: leave it so')}"
        else:
            yield f"heroku maintenance:off -a {quote(app.moves.app)}"


def _what_to_see(plan: Plan) -> str:
    attached = [m.attachment for app in plan.decisions.apps for m in app.moves.variables if m.attachment]
    shown = f"the add-ons are attached as {', '.join(attached)} again" if attached else "the add-ons are as before"
    return (
        f"always. The newest releases have succeeded; {shown}; every dyno is up and none has crashed; "
        "default_transaction_read_only is off; the application's log has no error about the database."
    )


def _check(plan: Plan, kept: KeptAttachment) -> Iterator[str]:
    for app in plan.decisions.apps:
        name = quote(app.moves.app)
        yield f"heroku releases -a {name} -n 5"
        yield f"heroku addons -a {name}"
        yield f"heroku ps -a {name}"
    setting = "echo 'SHOW default_transaction_read_only'"
    yield f"{setting} | heroku pg:psql {quote(kept.name)}_URL -a {quote(kept.app)}"
    for app in plan.decisions.apps:
        yield f"heroku logs -a {quote(app.moves.app)} -n 100 --source app"


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
