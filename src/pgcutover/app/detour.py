"""Where this process runs, asked only when so much is to be moved that it matters."""

from pgcutover.config import Surroundings
from pgcutover.planning.distance import about_distance, is_much
from pgcutover.planning.plan import Advice


def detour(data_bytes: int, region: str, around: Surroundings) -> tuple[Advice, ...]:
    """What to say of the way that the data would take; nothing is said where the target's Region is not known ('')."""
    if not region or not is_much(data_bytes):
        return ()
    # Loaded here: an HTTP client is half of what a copy of two databases starts with, and few need it.
    from pgcutover.edges.ec2_metadata import whereabouts

    here = whereabouts(endpoint=around.metadata_endpoint, disabled=around.metadata_disabled)
    advice = about_distance(data_bytes=data_bytes, region=region, here=here)
    return (advice,) if advice else ()
