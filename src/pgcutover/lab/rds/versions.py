"""Engine versions the lab's RDS can run: those of the PostgreSQL servers installed with it."""

import functools
import re
import subprocess

from moto.rds.exceptions import InvalidParameterCombination

from pgcutover.lab.clusters import binaries
from pgcutover.lab.rds.catalogue import FAMILIES

NEWEST = max(FAMILIES)


@functools.cache
def full_version(major: int) -> str:
    """`16.14`: what the installed server says."""
    said = subprocess.run(
        [str(binaries(major) / "postgres"), "--version"], check=True, capture_output=True, text=True
    ).stdout
    found = re.search(r"\d+\.\d+", said)
    if found is None:
        raise ValueError(f"not a version: {said}")
    return found[0]


def resolve(version: str | None) -> tuple[int, str]:
    """The major and full version that a request means: `16` and `16.14` are the same; none is the newest.

    Raises:
        InvalidParameterCombination: not one of ours.
    """
    wanted = version or str(NEWEST)
    for major in FAMILIES:
        if wanted in (str(major), full_version(major)):
            return major, full_version(major)
    raise InvalidParameterCombination(f"Cannot find version {wanted} for postgres")
