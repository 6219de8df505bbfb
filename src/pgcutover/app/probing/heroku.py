"""The Heroku side of a probe: an app is made, looked at and removed."""

from collections.abc import Callable, Mapping

from pgcutover.app.probing import heroku_attachments as attachments
from pgcutover.app.probing import heroku_runtime as runtime
from pgcutover.app.probing.heroku_attachments import HerokuWorld
from pgcutover.app.probing.looking import Asking, Looks, Tell
from pgcutover.edges.probe_heroku import ProbeHeroku
from pgcutover.planning.predictions import Seen

# In this order: the one that may lose the database comes last.
LOOKS: Mapping[str, Callable[[HerokuWorld], Seen]] = {
    "L30": attachments.first_addon,
    "H2": attachments.release_command,
    "H3": attachments.names,
    "H4": runtime.prices,
    "H8": runtime.heroku_schema,
    "L1": attachments.set_by_hand,
    "L2": attachments.name_in_use,
    "L3": attachments.replaced,
    "L4": attachments.pace,
    "L9": attachments.rolled_back,
    "L10": runtime.no_version,
    "L13": attachments.without_range,
    "L5": runtime.scaled_away,
    "L7": runtime.stopped_by_name,
    "L6": runtime.one_off,
    "L8": runtime.ended,
    "L12": runtime.connection_reset,
    "L14": runtime.crashing,
    "H5": runtime.log_backlog,
    "H1": attachments.refusals,
}


def look_at_heroku(api: ProbeHeroku, name: str, region: str, looks: Looks, asking: Asking, tell: Tell) -> None:
    """Make the app and look at it; it is not removed here.

    Raises:
        HerokuError, RightsError: it could not be made.
    """
    tell(f"making the Heroku app {name} with a database")
    api.make_app(name, region)
    api.deploy(name, runtime.PROCESS_TYPES)
    addon = api.make_database(name)
    api.settled(name)
    looks.make(LOOKS, HerokuWorld(api=api, app=name, addon=addon, dsn=api.dsn(name, addon), asking=asking))
