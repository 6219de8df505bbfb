"""What a probe makes for itself: names by which it is known again, and what it costs. Pure.

Invariant: `ours` holds for names that a probe drew, and for no other.
"""

import re

from pgcutover.facts.rds import OWNER_TAG, Tags

PREFIX = "pgcutover-probe-"
NAME = re.compile(rf"{PREFIX}[0-9a-f]{{8}}(-replica)?")
INSTANCE_CLASS = "db.t4g.micro"
STORAGE_GB = 20
PLAN = "heroku-postgresql:essential-0"
MARK = "PGCUTOVER_PROBE"
"""Config var of the app that says whose it is; RDS's things carry a tag."""

HEROKU_COST = (
    "Heroku: one app, one essential-0 database (5 USD a month), Basic dynos for some minutes (0.01 USD an hour each): "
    "less than 0.05 USD. An account without a payment method is refused."
)
AWS_COST = (
    f"AWS: one {INSTANCE_CLASS} with {STORAGE_GB} GB gp3 and a public address (about 0.03 USD an hour in us-east-1), "
    "a snapshot of an empty database, a secret: less than 0.10 USD. It takes 20 to 40 minutes."
)
LEFT_COST = "What a probe that died leaves behind costs about 1 USD a day until pgcutover probe --clean has removed it."


def ours(name: str) -> bool:
    return NAME.fullmatch(name) is not None


def replica_of(name: str) -> str:
    return f"{name}-replica"


def tags_of(name: str) -> Tags:
    return {OWNER_TAG: name}
