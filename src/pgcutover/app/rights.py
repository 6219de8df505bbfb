"""Whether AWS would let a plan's commands do their work: asked before anything is touched.

What is refused stops `prepare` and `migrate`, and is advice in a plan, for whoever plans need not be whoever moves.
What could not be asked is said as that, by all three, and stops nothing.
"""

from collections.abc import Callable, Sequence

from pgcutover.edges.aws import Aws
from pgcutover.errors import RightsError
from pgcutover.planning.aws_rights import MIGRATE, PREPARE, ROLLBACK, Answer, Need, Place, needs
from pgcutover.planning.plan import Advice, PlannedStep
from pgcutover.planning.target import TargetPlan

MOVING = (PREPARE, MIGRATE, ROLLBACK)

Advise = Callable[[Advice], None]


def unheard(advice: Advice) -> None:
    """For callers who want no advice."""


def _asked(aws: Aws, target: TargetPlan, commands: Sequence[str]) -> tuple[Answer, Place]:
    """What AWS says about these commands on this plan's target."""
    account, who = aws.identity()
    place = Place.of_plan(target, account)
    return aws.rights.ask(who, needs(commands, place), vpc_id=target.vpc_id), place


def refuse_lacking(
    aws: Aws,
    target: TargetPlan,
    steps: Sequence[PlannedStep],
    commands: Sequence[str],
    advise: Advise = unheard,
) -> None:
    """Raises RightsError when AWS would refuse what these commands do; names each right and the step that wants it.
    `advise` hears what could not be asked."""
    if not commands:
        return
    answer, _ = _asked(aws, target, commands)
    for advice in _unasked(answer):
        advise(advice)
    if answer.refused:
        lacking = "; ".join(_said(need, steps) for need in answer.refused)
        raise RightsError(
            f"{answer.who} lacks rights on AWS that {' and '.join(commands)} need: {lacking}",
            hint=f"Nothing was touched. The policy that grants them: pgcutover rights {' '.join(commands)} --policy.",
        )


def about_rights(aws: Aws, target: TargetPlan, steps: Sequence[PlannedStep]) -> tuple[Advice, ...]:
    """What a plan says about the rights of whoever made it, a line for each command that would be stopped."""
    answer, place = _asked(aws, target, MOVING)
    advice = _unasked(answer)
    for command in MOVING:
        wanted = needs((command,), place)
        said = [_said(need, steps) for need in answer.refused if need in wanted]
        if said:
            what = f"{answer.who} may not run {command}, it lacks on AWS: {'; '.join(said)}"
            advice.append(
                Advice(what=what, hint=f"See pgcutover rights {command} --policy, or run it as somebody else.")
            )
    return tuple(advice)


def _unasked(answer: Answer) -> list[Advice]:
    if not answer.unasked:
        return []
    what = f"could not check whether AWS lets these credentials move: {answer.unasked}"
    return [Advice(what=what, hint="Compare them with docs/aws-rights.md, or allow iam:SimulatePrincipalPolicy.")]


def _said(need: Need, steps: Sequence[PlannedStep]) -> str:
    """`rds:CreateDBInstance on db:acme-api (step instance)`."""
    on = "" if need.resource == "*" else f" on {need.resource.split(':', 5)[-1]}"
    call = need.action.replace(":", " ")
    of = next((f" (step {step.name})" for step in steps if any(c.startswith(call) for c in step.calls)), "")
    return f"{need.action}{on}{of}"
