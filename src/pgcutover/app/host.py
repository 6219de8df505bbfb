"""The migration host: a machine of EC2 next to the target, made, shown and removed.

What the machine shall be follows from the plan of the move; what stands is told by tags, so that any machine with the
same pgcutover.toml can remove it.
"""

from importlib.metadata import version
from typing import Self

from pgcutover.app.guards import RealClock
from pgcutover.app.people import Ask, Question
from pgcutover.app.records import Records
from pgcutover.config import Config
from pgcutover.edges.aws import Aws
from pgcutover.errors import ConfigError, NotConfirmedError
from pgcutover.facts.ec2 import TargetPlace
from pgcutover.facts.host import HostGone, HostPlanned, HostState
from pgcutover.planning.host import HostPlan, HostTarget, candidates, host_name, host_tags, plan_host
from pgcutover.planning.names import names_for
from pgcutover.planning.target import Occasion, TargetPlan
from pgcutover.steps.host import COST, Tell, host_down, host_state, host_up, planned_parts

OURSELVES = "pgcutover"


class Host:
    """The migration host of one environment."""

    def __init__(self, config: Config, aws: Aws | None = None) -> None:
        """`aws` is closed with it."""
        self._config, self._aws = config, aws or Aws(config.choices.target.region)
        occasion = Occasion(app=config.choices.billing_app, environment=config.environment)
        self._name = host_name(names_for(occasion.app).instance)
        self._tags = dict(host_tags(dict(occasion.tags)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._aws.close()

    def planned(self) -> HostPlanned:
        """What `up` would do; only AWS is asked.

        Raises:
            ConfigError: there is no plan of a move, or the configuration names what does not exist.
            RefusedError: EC2 has no such class there.
        """
        plan = self._plan()
        return HostPlanned(
            environment=self._config.environment,
            region=plan.region,
            zone=plan.zone,
            instance_class=plan.machine.instance_class,
            parts=planned_parts(self._aws.hosts, plan),
            notes=(COST, *plan.notes),
        )

    def up(self, *, ask: Ask, tell: Tell) -> HostState:
        """There is a host, ready to be logged in to; one that stands is adopted, and what it lacks is made.

        Raises:
            As `planned`; NotConfirmedError: nobody agreed; and what `host_up` raises.
        """
        plan = self._plan()
        spec = plan.machine
        self._confirm(
            ask, f"Make a machine, {spec.instance_class} in {plan.zone}, next to {plan.target.instance}: {COST}."
        )
        parts = host_up(self._aws.hosts, plan, RealClock(), tell)
        state = self.status()
        return state.model_copy(update={"parts": parts, "notes": (*state.notes, *plan.notes)})

    def status(self) -> HostState:
        """What stands; changes nothing."""
        return host_state(
            self._aws.hosts, self._name, self._tags, environment=self._config.environment, region=self._region
        )

    def down(self, *, ask: Ask, tell: Tell) -> HostGone:
        """There is no host; twice is not an error. A state that only it has goes with it."""
        found = self.status()
        if found.machine or found.besides:
            there = ", ".join((*([found.machine] if found.machine else []), *found.besides))
            self._confirm(ask, f"Remove {there}. A run's state that only the machine has is lost: export it before.")
        begun = RealClock.monotonic()
        removed = host_down(self._aws.hosts, self._name, self._tags, tell)
        return HostGone(
            environment=self._config.environment,
            removed=removed,
            kept=self._aws.hosts.others(self._name, self._tags),
            seconds=round(RealClock.monotonic() - begun, 1),
        )

    @property
    def _region(self) -> str:
        return self._config.choices.target.region

    @staticmethod
    def _confirm(ask: Ask, text: str) -> None:
        if not ask(Question(text=text)).agreed:
            raise NotConfirmedError("not confirmed; nothing was touched")

    def _plan(self) -> HostPlan:
        target = Records(self._config.state).read_plan(None).decisions.target
        wishes, hosts = self._config.choices.host, self._aws.hosts
        if not wishes.install:
            raise ConfigError(
                f"environments.{self._config.environment}.host.install is not set",
                hint="pgcutover is not on PyPI: name what pip can install from the machine, for example "
                'install = "git+https://HOST/REPOSITORY.git@TAG" or the address of a wheel.',
            )
        if wishes.install == OURSELVES:
            # A run's plan and journal are understood by the version that wrote them.
            wishes = wishes.model_copy(update={"install": f"{OURSELVES}=={version(OURSELVES)}"})
        place = hosts.target_place(target.instance)
        subnets = (wishes.subnet_id,) if wishes.subnet_id else _subnets(target, place)
        return plan_host(
            wishes,
            HostTarget(
                instance=target.instance,
                instance_class=target.instance_class,
                major=target.major,
                address=place.host if place else "",
                port=place.port if place else 0,
                zone=place.zone if place else "",
            ),
            name=self._name,
            region=self._region,
            subnets=hosts.subnets(subnets),
            offered=hosts.offered(candidates(wishes.size, target.instance_class)),
            tags=dict(target.tags),
        )


def _subnets(target: TargetPlan, place: TargetPlace | None) -> tuple[str, ...]:
    return tuple(subnet.id for subnet in place.network.subnets) if place else target.subnet_ids
