"""Security group and subnet group for the new instance."""

from dataclasses import dataclass

from pgcutover.facts.rds import GroupFacts, is_ours
from pgcutover.planning.target import TargetPlan
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.ports_aws import AwsWorld


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Both groups, tagged as ours; undone only where they were made here."""

    target: TargetPlan
    name: str = "network"
    keeps_target: bool = True

    @property
    def title(self) -> str:
        who = ", ".join(self.target.allowed_cidrs)
        return f"make security group {self.target.security_group} (port 5432 from {who}) and a subnet group"

    @property
    def by_hand(self) -> str:
        target = self.target
        return (
            f"aws rds delete-db-subnet-group --db-subnet-group-name {target.subnet_group}; "
            f"aws ec2 delete-security-group --group-name {target.security_group} (with the instance gone)"
        )

    @property
    def calls(self) -> tuple[str, ...]:
        return (
            f"ec2 CreateSecurityGroup {self.target.security_group}",
            *(f"ec2 AuthorizeSecurityGroupIngress tcp/5432 from {cidr}" for cidr in self.target.allowed_cidrs),
            f"rds CreateDBSubnetGroup {self.target.subnet_group}: {', '.join(self.target.subnet_ids)}",
        )

    def observe(self, world: AwsWorld) -> Before:
        security, subnets = self._find(world)
        return {"security_group": security is not None, "subnet_group": subnets is not None}

    def do(self, world: AwsWorld, before: Before) -> None:
        target, network = self.target, world.aws.network
        tags = dict(target.tags)
        network.ensure_security_group(target.security_group, target.vpc_id, target.allowed_cidrs, tags)
        network.ensure_subnet_group(target.subnet_group, target.subnet_ids, tags)

    def verify(self, world: AwsWorld, before: Before) -> Finding:
        security, subnets = self._find(world)
        open_to = security is not None and set(self.target.allowed_cidrs) <= set(security.members)
        found = {"security_group": security is not None, "subnet_group": subnets is not None}
        whole = self._ours(security) and self._ours(subnets) and open_to
        absent = security is None and subnets is None
        return Finding(
            verdict=Verdict.WHOLE if whole else Verdict.ABSENT if absent else Verdict.PARTIAL,
            unchanged=found == dict(before),
            detail=f"{self.target.security_group}, {self.target.subnet_group}",
            evidence={
                "security_group": security.id if security else None,
                "open_to": list(security.members) if security else [],
                "subnets": list(subnets.members) if subnets else [],
                "seconds": world.aws.seconds(f"subnet group {self.target.subnet_group}"),
            },
        )

    def undo(self, world: AwsWorld, before: Before) -> None:
        target, tags = self.target, dict(self.target.tags)
        if not before["subnet_group"]:
            world.aws.network.remove_subnet_group(target.subnet_group, tags)
        if not before["security_group"]:
            world.aws.network.remove_security_group(target.security_group, target.vpc_id, tags)

    def _find(self, world: AwsWorld) -> tuple[GroupFacts | None, GroupFacts | None]:
        network, target = world.aws.network, self.target
        return network.security_group(target.security_group, target.vpc_id), network.subnet_group(target.subnet_group)

    def _ours(self, group: GroupFacts | None) -> bool:
        return group is not None and is_ours(dict(group.tags), dict(self.target.tags))
