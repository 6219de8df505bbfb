"""Config vars of an app that moves: what they are to be, set in one PATCH that is watched to the end of its release."""

from collections.abc import Mapping

from pgcutover.errors import NotUndoneError, ReleaseFailedError
from pgcutover.facts.names import Secret
from pgcutover.planning.moves import PGBOUNCER_URLS, AppMoves
from pgcutover.steps.ports import World
from pgcutover.steps.releases import ReleaseWatch

AGAIN = "PGCUTOVER_RELEASE_AGAIN"
"""Set and removed to have a release: a PATCH that changes nothing makes none, and not every app has a slug."""


def new_values(world: World, moves: AppMoves) -> dict[str, Secret]:
    """Every variable that moves with its new URL; PGBOUNCER_URLS beside them, for both must be of one release."""
    urls = {
        login: world.access.app_url(sslmode=moves.sslmode, server=login[0], user=login[1]) for login in moves.logins
    }
    values = {m.variable: urls[m.role, m.user] for m in moves.variables}
    return {**values, PGBOUNCER_URLS: Secret(moves.pooling.urls)} if moves.pooling else values


def set_config_vars(world: World, app: str, wanted: Mapping[str, Secret | None], *, must_succeed: bool) -> None:
    """One PATCH, one release, of what differs; None removes a variable.

    Where nothing differs, but the release that set it failed and must succeed, it is made once more.

    Raises:
        ReleaseFailedError: the release failed, and it must succeed.
    """
    watch = ReleaseWatch(heroku=world.heroku, notes=world.notes, clock=world.clock, apps=(app,))
    watch.quiet(app)
    config = world.heroku.config(app)
    # An attachment that came back already owns its variable, which then cannot be unset and need not be.
    owned = {a.variable for a in world.heroku.app_attachments(app)}
    changes = {k: v for k, v in wanted.items() if k not in owned and config.get(k) != v}
    if changes:
        with watch.making(app, f"set {', '.join(sorted(changes))}", must_succeed=must_succeed):
            world.heroku.set_config(app, changes)
    elif must_succeed and newest_release_failed(world, app):
        with watch.making(app, "make the failed release again"):
            world.heroku.release_again(app)


def serve_old_values(world: World, app: str) -> None:
    """Make a release of going back anew that failed: dynos run the newest that succeeded, be it the switch's.

    Call it when the old database takes writes again: a release command may need that.

    Raises:
        NotUndoneError: it failed again, and what serves is of this run.
    """
    watch = ReleaseWatch(heroku=world.heroku, notes=world.notes, clock=world.clock, apps=(app,))
    watch.quiet(app)
    if AGAIN not in world.heroku.config(app) and not watch.left_behind(app):
        return
    must_succeed = watch.serves_later(app)
    set_config_vars(world, app, {AGAIN: Secret("1")}, must_succeed=False)
    try:
        set_config_vars(world, app, {AGAIN: None}, must_succeed=must_succeed)
    except ReleaseFailedError as cause:
        raise NotUndoneError(
            f"dynos of {app} would start with the new database's URL, for its release with the old one failed: {cause}",
            hint=f"Mend what heroku releases:output -a {app} says, then run pgcutover rollback again.",
        ) from cause


def newest_release_failed(world: World, app: str) -> bool:
    return any(r.status != "succeeded" for r in world.heroku.releases(app, newest=1))
