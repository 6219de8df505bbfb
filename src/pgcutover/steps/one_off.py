"""Run a command in a one-off dyno and learn how it ended, from the application's log.

A detached dyno's exit status is told nowhere but in the log, so the command is followed by a line of our own with a
random mark and `$?`. https://devcenter.heroku.com/articles/one-off-dynos
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from pgcutover.facts.names import Secret
from pgcutover.steps.ports import World

LIMIT_S = 600
POLL_S = 1.0
ONE_OFF_NOTE = "one-off dyno"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a one-off dyno ended; `status` is None when that could not be learned."""

    dyno: str
    status: int | None
    output: tuple[str, ...]


def run_one_off(world: World, app: str, command: str, *, env: Mapping[str, Secret]) -> Outcome:
    """Start the command in a dyno of `app`, wait for its end and give its last lines.

    The dyno is noted before we wait, so that nobody takes it for a stranger's.
    """
    mark = f"pgcutover-exit-{secrets.token_hex(8)}"
    dyno = world.heroku.run(app, f"( {command} ); echo {mark}=$?", env=env, time_to_live_s=LIMIT_S)
    world.notes.note(ONE_OFF_NOTE, {"app": app, "dyno": dyno.name})
    begun, gone_polls = world.clock.monotonic(), 0
    while world.clock.monotonic() - begun < LIMIT_S and gone_polls < 10:
        lines = world.heroku.log(app, dyno=dyno.name)
        ended = next((m for line in lines if (m := re.search(rf"{mark}=(\d+)", line))), None)
        if ended:
            return Outcome(dyno=dyno.name, status=int(ended[1]), output=_output(lines, mark))
        # The log may lag behind the dyno; after ten polls without the dyno nothing more will come.
        gone_polls += all(d.name != dyno.name for d in world.heroku.dynos(app))
        world.clock.sleep(POLL_S)
    return Outcome(dyno=dyno.name, status=None, output=_output(world.heroku.log(app, dyno=dyno.name), mark))


def _output(lines: tuple[str, ...], mark: str) -> tuple[str, ...]:
    """What the command itself printed: the tail, without URLs' passwords."""
    own = [line.partition("]: ")[2] for line in lines if "app[run." in line and mark not in line]
    return tuple(re.sub(r"(://[^/\s:@]*:)[^/\s@]+@", r"\1********@", line) for line in own[-20:])
