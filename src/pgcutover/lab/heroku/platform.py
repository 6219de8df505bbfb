"""The parts of one local Heroku, joined: what every endpoint is given.

Lock order, for everybody: the dynos' lock before the estate's. So an endpoint never calls `dynos` while it holds the
estate; it decides and changes first, lets go, and then asks the dynos to follow.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from pgcutover.lab.heroku.attaching import Attaching
from pgcutover.lab.heroku.dynos import Dynos
from pgcutover.lab.heroku.gate import Faults, Keys, RateLimit
from pgcutover.lab.heroku.logs import Logplex
from pgcutover.lab.heroku.pace import Pace
from pgcutover.lab.heroku.records import Knobs
from pgcutover.lab.heroku.releases import Releases
from pgcutover.lab.heroku.state import Estate
from pgcutover.lab.layout import HerokuServer


@dataclass(slots=True, kw_only=True)
class Platform:
    estate: Estate
    pace: Pace
    logs: Logplex
    dynos: Dynos
    releases: Releases
    attaching: Attaching
    keys: Keys
    limit: RateLimit = field(default_factory=RateLimit)
    faults: Faults = field(default_factory=Faults)
    new_app_knobs: Knobs = field(default_factory=Knobs)
    """What apps begin with that are made from now on."""
    closing: threading.Event = field(default_factory=threading.Event)
    fail_over: Callable[[HerokuServer], HerokuServer] | None = None
    """Puts another server into a leader's place; None where nobody can."""
    base_url: str = ""
    """Known once the server is bound."""
