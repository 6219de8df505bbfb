"""DB instance classes the lab's RDS offers: their vCPUs and memory. Only data.

Read from `ec2:DescribeInstanceTypes`; RDS classes use the EC2 type of the same name.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Summary.html
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceClass:
    name: str
    vcpus: int
    memory_gib: int

    @property
    def usable_memory_bytes(self) -> int:
        """What `DBInstanceClassMemory` stands for: the memory less what the system and RDS itself take (A12)."""
        doublings = min(max(math.log2(self.memory_gib), 0.0), 4.0)
        share = 0.73 + (0.96 - 0.73) * doublings / 4.0
        return int(self.memory_gib * 2**30 * share)


BURSTABLE = {
    "micro": (2, 1),
    "small": (2, 2),
    "medium": (2, 4),
    "large": (2, 8),
    "xlarge": (4, 16),
    "2xlarge": (8, 32),
}
SEVENTH = {
    "large": 2,
    "xlarge": 4,
    "2xlarge": 8,
    "4xlarge": 16,
    "8xlarge": 32,
    "12xlarge": 48,
    "16xlarge": 64,
}
EIGHTH = {**SEVENTH, "24xlarge": 96, "48xlarge": 192}
GIB_PER_VCPU = {"m": 4, "r": 8}


def _classes() -> Mapping[str, InstanceClass]:
    sizes = [(f"db.t4g.{size}", vcpus, gib) for size, (vcpus, gib) in BURSTABLE.items()]
    for family, vcpus_of in (("m7g", SEVENTH), ("r7g", SEVENTH), ("m8g", EIGHTH), ("r8g", EIGHTH)):
        sizes += [(f"db.{family}.{size}", vcpus, vcpus * GIB_PER_VCPU[family[0]]) for size, vcpus in vcpus_of.items()]
    return MappingProxyType({name: InstanceClass(name=name, vcpus=vcpus, memory_gib=gib) for name, vcpus, gib in sizes})


CLASSES = _classes()
