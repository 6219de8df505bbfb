"""RDS instance classes: their vCPUs, memory and what their disks sustain. Only data, in order of preference.

Generated from ec2:DescribeInstanceTypes as bundled in moto 5.2.5 (2026-10); RDS classes have the hardware of the EC2
type of the same name and RDS publishes no limits of its own. What RDS offers in a Region is asked at run time and wins.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.html
"""

from collections.abc import Mapping
from types import MappingProxyType

from pgcutover.facts.rds import ClassFacts

# size: (vCPUs, sustained MB/s of disk, sustained IOPS)
_Row = tuple[int, float, int]
_GRAVITON_7: Mapping[str, _Row] = {
    "large": (2, 78.75, 3600),
    "xlarge": (4, 156.25, 6000),
    "2xlarge": (8, 312.5, 12000),
    "4xlarge": (16, 625, 20000),
    "8xlarge": (32, 1250, 40000),
    "12xlarge": (48, 1875, 60000),
    "16xlarge": (64, 2500, 80000),
}
_GRAVITON_8: Mapping[str, _Row] = {**_GRAVITON_7, "24xlarge": (96, 3750, 120000), "48xlarge": (192, 5000, 240000)}
_GRAVITON_6: Mapping[str, _Row] = {
    "large": (2, 78.75, 3600),
    "xlarge": (4, 148.5, 6000),
    "2xlarge": (8, 296.875, 12000),
    "4xlarge": (16, 593.75, 20000),
    "8xlarge": (32, 1187.5, 40000),
    "12xlarge": (48, 1781.25, 50000),
    "16xlarge": (64, 2375, 80000),
}
_INTEL_6: Mapping[str, _Row] = {
    **_GRAVITON_7,
    "large": (2, 81.25, 3600),
    "24xlarge": (96, 3750, 120000),
    "32xlarge": (128, 5000, 160000),
}
_INTEL_7: Mapping[str, _Row] = {
    **_GRAVITON_7,
    "large": (2, 81.25, 3600),
    "24xlarge": (96, 3750, 120000),
    "48xlarge": (192, 5000, 240000),
}
_INTEL_5: Mapping[str, _Row] = {
    "large": (2, 81.25, 3600),
    "xlarge": (4, 143.75, 6000),
    "2xlarge": (8, 287.5, 12000),
    "4xlarge": (16, 593.75, 18750),
    "8xlarge": (32, 850, 30000),
    "12xlarge": (48, 1187.5, 40000),
    "16xlarge": (64, 1700, 60000),
    "24xlarge": (96, 2375, 80000),
}
_BURSTABLE: Mapping[str, tuple[int, float, float, int]] = {
    "micro": (2, 1, 10.875, 500),
    "small": (2, 2, 21.75, 1000),
    "medium": (2, 4, 43.375, 2000),
    "large": (2, 8, 86.875, 4000),
    "xlarge": (4, 16, 86.875, 4000),
    "2xlarge": (8, 32, 86.875, 4000),
}
_GENERATIONS: Mapping[str, Mapping[str, _Row]] = {
    "7g": _GRAVITON_7,
    "8g": _GRAVITON_8,
    "6g": _GRAVITON_6,
    "7i": _INTEL_7,
    "6i": _INTEL_6,
    "5": _INTEL_5,
}
"""In order of preference: Graviton is 6 to 10 % cheaper for the same limits, and more Regions offer 7g than 8g."""
_GIB_PER_VCPU = {"m": 4, "r": 8}


def _table() -> Mapping[str, ClassFacts]:
    rows = [
        ClassFacts(name=f"db.{family}.{size}", vcpus=vcpus, memory_gib=gib, disk_mb_per_s=mb, disk_iops=iops)
        for family in ("t4g", "t3")
        for size, (vcpus, gib, mb, iops) in _BURSTABLE.items()
    ]
    for generation, sizes in _GENERATIONS.items():
        for line, per_vcpu in _GIB_PER_VCPU.items():
            rows += [
                ClassFacts(
                    name=f"db.{line}{generation}.{size}",
                    vcpus=vcpus,
                    memory_gib=vcpus * per_vcpu,
                    disk_mb_per_s=mb,
                    disk_iops=iops,
                )
                for size, (vcpus, mb, iops) in sizes.items()
            ]
    return MappingProxyType({row.name: row for row in rows})


CLASSES = _table()
PREFERENCE = {name: place for place, name in enumerate(CLASSES)}
