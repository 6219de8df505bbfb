"""The RDS instance itself: born encrypted, protected from deletion, with its own parameter group, and waited for."""

from dataclasses import dataclass

from pgcutover.errors import RefusedError
from pgcutover.facts.rds import Instance, InstanceSpec, is_ours
from pgcutover.planning.target import TargetPlan
from pgcutover.running.step import Before, Finding, Json, Verdict
from pgcutover.steps.ports_aws import AwsWorld


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeInstance:
    """One DB instance. Its undo refuses: only `destroy --target` deletes an instance, after a final snapshot."""

    target: TargetPlan
    name: str = "instance"
    keeps_target: bool = True

    @property
    def title(self) -> str:
        target = self.target
        return (
            f"make RDS instance {target.instance}: PostgreSQL {target.engine_version} on {target.instance_class}, "
            f"{target.storage_gb} GiB {target.storage_type}, {target.exposure}"
        )

    @property
    def by_hand(self) -> str:
        return f"pgcutover destroy --target, which asks for the name {self.target.instance} and takes a final snapshot"

    @property
    def calls(self) -> tuple[str, ...]:
        return (
            f"rds CreateDBInstance {self.target.instance}",
            "rds DescribeDBInstances until it can be used (5 to 10 minutes)",
        )

    @property
    def spec(self) -> InstanceSpec:
        target = self.target
        return InstanceSpec(
            identifier=target.instance,
            instance_class=target.instance_class,
            engine_version=target.engine_version,
            storage_gb=target.storage_gb,
            storage_type=target.storage_type,
            master_user=target.master_user,
            secret=target.secret_name,
            subnet_group=target.subnet_group,
            security_group=target.security_group,
            vpc_id=target.vpc_id,
            parameter_group=target.parameter_group,
            public=target.public,
            tags=target.tags,
        )

    def observe(self, world: AwsWorld) -> Before:
        found = world.aws.instances.describe(self.target.instance)
        if found is not None:
            self._refuse_other(found)
        return {"present": found is not None}

    def do(self, world: AwsWorld, before: Before) -> None:
        instances = world.aws.instances
        instances.create(self.spec)
        found = instances.describe(self.target.instance)
        if found is not None and found.pending_reboot:
            # Days before the fence, where a reboot hurts nobody.
            instances.reboot(self.target.instance)

    def verify(self, world: AwsWorld, before: Before) -> Finding:
        found = world.aws.instances.describe(self.target.instance)
        if found is None:
            return Finding(verdict=Verdict.ABSENT, unchanged=not before["present"], detail=self.target.instance)
        wrong = self._wrong(found)
        evidence: dict[str, Json] = {
            "status": found.status,
            "host": found.host,
            "port": found.port,
            "class": found.instance_class,
            "version": found.engine_version,
            "storage_gb": found.storage_gb,
            "seconds": world.aws.seconds(f"instance {self.target.instance}"),
        }
        return Finding(
            verdict=Verdict.PARTIAL if wrong else Verdict.WHOLE,
            unchanged=bool(before["present"]),
            detail="; ".join(wrong) or f"{found.host}:{found.port}",
            evidence=evidence,
        )

    def undo(self, world: AwsWorld, before: Before) -> None:
        """Raises:
        RefusedError: it exists and was made here; it may hold the only copy of a row.
        """
        if world.aws.instances.describe(self.target.instance) is not None and not before["present"]:
            raise RefusedError(
                f"instance {self.target.instance} is kept", hint="pgcutover destroy --target deletes it."
            )

    def _refuse_other(self, found: Instance) -> None:
        if not is_ours(dict(found.tags), dict(self.target.tags)):
            raise RefusedError(
                f"the instance name {found.identifier} is taken by something that pgcutover did not make",
                hint=f'Rename or remove it, or use it: set existing = "{found.identifier}" under [target].',
            )

    def _wrong(self, found: Instance) -> list[str]:
        """What differs from the plan."""
        target = self.target
        checks = {
            f"it is {found.status}": found.usable,
            "it is not ours": is_ours(dict(found.tags), dict(target.tags)),
            "its disk is not encrypted": found.encrypted,
            "it is not protected from deletion": found.deletion_protection,
            f"its class is {found.instance_class}": found.instance_class == target.instance_class,
            f"it has PostgreSQL {found.engine_version}": found.major == target.major,
            f"its disk has {found.storage_gb} GiB": found.storage_gb >= target.storage_gb,
            f"its parameter group is {found.parameter_group}": found.parameter_group == target.parameter_group,
            "a parameter waits for a reboot": not found.pending_reboot,
        }
        return [text for text, good in checks.items() if not good]
