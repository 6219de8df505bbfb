"""Whether the data would make a detour: every byte of a copy passes through the machine that pgcutover runs on.

Pure. It only ever advises.
"""

import re

from pgcutover.facts.ec2 import Whereabouts
from pgcutover.planning.plan import Advice

MOVES_MUCH_BYTES = 5 * 10**9
"""Below it the detour costs minutes; above it the fence stays up for it, and AWS bills nothing for data that comes in,
but people's uplinks are slow."""
ENDPOINT = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-\d)\.rds\.amazonaws\.com(?:\.cn)?$")
"""https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_CommonTasks.Connect.html"""


def region_of(host: str) -> str:
    """The Region of an RDS endpoint; '' for any other host."""
    found = ENDPOINT.search(host)
    return found[1] if found else ""


def is_much(data_bytes: int) -> bool:
    return data_bytes > MOVES_MUCH_BYTES


def about_distance(*, data_bytes: int, region: str, here: Whereabouts) -> Advice | None:
    """What to say of so many bytes for that Region from here; None where nothing is to be said."""
    if not is_much(data_bytes) or here.region == region:
        return None
    size = f"{data_bytes / 10**9:.0f} GB"
    if here.unknown:
        return Advice(
            what=f"could not tell whether this machine is on EC2 in {region} ({here.unknown}): {size} would pass "
            "through it",
            hint="Run it on a machine in that Region; pgcutover host up makes one.",
        )
    place = f"is on EC2 in {here.region}" if here.region else "is not on EC2"
    return Advice(
        what=f"{size} would pass through this machine, which {place}, and the target is in {region}",
        hint="Run it next to the target: pgcutover host up makes a machine there, and says how to log in.",
    )
