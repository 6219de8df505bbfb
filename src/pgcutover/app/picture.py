"""A picture of an environment on Heroku without secrets, to show that going back left everything as it was."""

import hashlib
from collections.abc import Mapping, Sequence

from pgcutover.edges.heroku import HerokuClient
from pgcutover.running.step import Json


def picture(heroku: HerokuClient, apps: Sequence[str]) -> dict[str, Json]:
    """Maintenance, formation, attachments and a digest of each config var, per app."""
    return {app: _picture_of(heroku, app) for app in apps}


def _picture_of(heroku: HerokuClient, app: str) -> dict[str, Json]:
    attachments = heroku.app_attachments(app)
    return {
        "maintenance": heroku.app(app).maintenance,
        "formation": {p.type: p.quantity for p in heroku.formation(app)},
        "attachments": {a.name: f"{a.addon} {a.namespace or 'default'}" for a in attachments},
        "config": {
            key: hashlib.sha256(value.reveal().encode()).hexdigest()[:16] for key, value in heroku.config(app).items()
        },
    }


def difference(before: Json, after: Json, path: str = "") -> tuple[str, ...]:
    """One line for each place where two pictures differ; none when they are the same."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        keys = sorted(set(before) | set(after))
        lines = [line for k in keys for line in difference(before.get(k), after.get(k), f"{path} {k}".strip())]
        return tuple(lines)
    return () if before == after else (f"{path}: {_shown(before)} -> {_shown(after)}",)


def _shown(value: Json) -> str:
    return "absent" if value is None else str(value)
