"""The logins of the new database, made and kept in AWS Secrets Manager; no password ever passes through here."""

from dataclasses import dataclass

from pgcutover.planning.target import TargetPlan
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.ports_aws import AwsWorld


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeSecret:
    """One secret with a login for the master, the application and each further credential."""

    target: TargetPlan
    name: str = "secret"
    keeps_target: bool = True

    @property
    def title(self) -> str:
        return f"make secret {self.target.secret_name} with logins for {', '.join(self.target.logins.users)}"

    @property
    def by_hand(self) -> str:
        return f"aws secretsmanager delete-secret --secret-id {self.target.secret_name} (recoverable for 30 days)"

    @property
    def calls(self) -> tuple[str, ...]:
        return (f"secretsmanager CreateSecret {self.target.secret_name}",)

    def observe(self, world: AwsWorld) -> Before:
        return {"present": world.aws.secrets.describe(self.target.secret_name) is not None}

    def do(self, world: AwsWorld, before: Before) -> None:
        world.aws.secrets.ensure(self.target.secret_name, self.target.logins, dict(self.target.tags))

    def verify(self, world: AwsWorld, before: Before) -> Finding:
        found = world.aws.secrets.describe(self.target.secret_name)
        users = set(found.users) if found else set()
        whole = users >= set(self.target.logins.users)
        return Finding(
            verdict=Verdict.ABSENT if found is None else Verdict.WHOLE if whole else Verdict.PARTIAL,
            unchanged=(found is not None) == before["present"],
            detail=self.target.secret_name,
            evidence={
                "users": sorted(users),
                "seconds": world.aws.seconds(f"secret {self.target.secret_name}"),
            },
        )

    def undo(self, world: AwsWorld, before: Before) -> None:
        if not before["present"]:
            world.aws.secrets.remove(self.target.secret_name, dict(self.target.tags))
