"""How much storage: room for the source's tables, indexes and WAL, for storage can grow but never shrink.

Pure. gp3 has two speeds, and the step between them is often the cheapest way to a fast load.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html
"""

import math
from dataclasses import dataclass

from pgcutover.errors import RefusedError

GIB = 2**30
MIN_STORAGE_GB = 20
MAX_STORAGE_GB = 65536
FAST_STORAGE_GB = 400
"""From here gp3 has 12,000 IOPS and 500 MiB/s instead of 3,000 and 125, at the same price per GiB.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage"""
ROUND_UP_FROM_GB = 250
"""Above it the step to the fast line costs at most 150 GiB more; storage can never shrink, so smaller is left small."""
GROWTH = 1.4
TIGHT = 1.1
"""What the copy itself needs over the source's tables and indexes; below it the load ends in storage-full."""
WAL_HEADROOM_GB = (4, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageChoice:
    storage_gb: int
    notes: tuple[str, ...]


def choose_storage(*, data_bytes: int, index_bytes: int, asked_gb: int | None = None) -> StorageChoice:
    """Storage for a source of this size; `asked_gb` is a person's own choice.

    Raises:
        RefusedError: the person's choice cannot hold the copy, or nothing on RDS can.
    """
    if asked_gb is not None:
        refuse_small_disk(asked_gb, data_bytes=data_bytes, index_bytes=index_bytes, whose="target.storage_gb")
        return StorageChoice(storage_gb=asked_gb, notes=(f"{asked_gb} GiB as configured",))
    needed = needed_gb(data_bytes=data_bytes, index_bytes=index_bytes)
    if needed > MAX_STORAGE_GB:
        raise RefusedError(
            f"{needed} GiB are needed and an RDS instance holds {MAX_STORAGE_GB}", hint="Aurora holds more."
        )
    if ROUND_UP_FROM_GB <= needed < FAST_STORAGE_GB:
        note = f"{needed} GiB are needed; {FAST_STORAGE_GB} GiB of gp3 have four times the IOPS and throughput"
        return StorageChoice(storage_gb=FAST_STORAGE_GB, notes=(note,))
    notes = [f"{GROWTH} x tables and indexes and room for WAL make {needed} GiB"]
    if needed < FAST_STORAGE_GB:
        notes.append(f"gp3 below {FAST_STORAGE_GB} GiB has 3,000 IOPS and 125 MiB/s; storage can grow, never shrink")
    return StorageChoice(storage_gb=needed, notes=tuple(notes))


def needed_gb(*, data_bytes: int, index_bytes: int, factor: float = GROWTH) -> int:
    """GiB for tables, indexes and WAL, within RDS's minimum."""
    held = math.ceil((data_bytes + index_bytes) * factor / GIB)
    low, high = WAL_HEADROOM_GB
    return max(MIN_STORAGE_GB, held + min(high, max(low, math.ceil(held * 0.05))))


def refuse_small_disk(storage_gb: int, *, data_bytes: int, index_bytes: int, whose: str) -> None:
    """Raises:
    RefusedError: a disk of this size cannot hold the copy.
    """
    floor = needed_gb(data_bytes=data_bytes, index_bytes=index_bytes, factor=TIGHT)
    if storage_gb < floor:
        advised = needed_gb(data_bytes=data_bytes, index_bytes=index_bytes)
        raise RefusedError(
            f"{whose} is too small: {storage_gb} GiB, and the copy needs at least {floor} GiB",
            hint=f"Give it {advised} GiB or more; RDS storage can grow at any time, but never shrink.",
        )
