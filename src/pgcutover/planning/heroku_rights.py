"""Which scope a Heroku token needs for each command. Pure.

https://devcenter.heroku.com/articles/oauth#scopes
"""

from collections.abc import Mapping
from types import MappingProxyType

NONE, LOOKING, CHANGING = "none", "read-protected", "global"
"""Config vars are protected, and the database's URL is one: `read` is good for nothing here. `write-protected` covers
by Heroku's words what is changed, too; nobody has tried it on a real account."""

SCOPES: Mapping[str, str] = MappingProxyType(
    {
        "init": LOOKING,
        "inventory": LOOKING,
        "plan": LOOKING,
        "prepare": CHANGING,
        "migrate": CHANGING,
        "verify": LOOKING,
        "status": NONE,
        "rollback": CHANGING,
        "drill": CHANGING,
        "retire": LOOKING,
        "destroy": LOOKING,
        "host": NONE,
        "probe": CHANGING,
    }
)
"""By command; those that are not here never ask Heroku."""
