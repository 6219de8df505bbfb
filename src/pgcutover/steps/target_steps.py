"""Which steps make, tune and keep the target, in order: an existing instance needs fewer."""

from pgcutover.planning.target import TargetPlan
from pgcutover.running.step import Step
from pgcutover.steps.aftercare import Aftercare
from pgcutover.steps.alarms import Alarms
from pgcutover.steps.database import MakeDatabase
from pgcutover.steps.instance import MakeInstance
from pgcutover.steps.load_parameters import LoadParameters
from pgcutover.steps.network import Network
from pgcutover.steps.parameter_group import ParameterGroup
from pgcutover.steps.parameters_back import ParametersBack
from pgcutover.steps.point_in_time import PointInTime
from pgcutover.steps.ports_aws import AwsWorld
from pgcutover.steps.replica import MakeReplica, ReplicaCaughtUp, ReplicaGroup
from pgcutover.steps.secret import MakeSecret
from pgcutover.steps.vacuum import Vacuum

Steps = tuple[Step[AwsWorld], ...]


def making(target: TargetPlan) -> Steps:
    """In `prepare`: what the database stands on."""
    if target.existing:
        return (MakeSecret(target=target), MakeDatabase(target=target), *_replica(target, "before-load"))
    return (
        Network(target=target),
        MakeSecret(target=target),
        ParameterGroup(target=target),
        MakeInstance(target=target),
        MakeDatabase(target=target),
        *_replica(target, "before-load"),
    )


def loading(target: TargetPlan) -> Steps:
    """Before the copy, and outside the fence."""
    return (LoadParameters(target=target),) if target.load_parameters else ()


def loaded(target: TargetPlan) -> Steps:
    """After verification, before the switch."""
    back: Steps = (ParametersBack(target=target),) if target.load_parameters else ()
    streamed = target.replica is not None and target.replica.made == "before-load"
    return (*back, ReplicaCaughtUp(target=target)) if streamed else back


def lifted(target: TargetPlan) -> Steps:
    """After the lift, backups first. An instance that somebody else made is theirs to look after."""
    kept: Steps = () if target.existing else (Aftercare(target=target),)
    # Again, for nobody has looked since the switch: no value of the load may be left.
    back: Steps = (ParametersBack(target=target, name="parameters-proved"),) if target.load_parameters else ()
    return (*kept, *back, Vacuum(), *_replica(target, "after-lift"))


def settled(target: TargetPlan) -> Steps:
    """Last of all, when nothing is made or moved any more."""
    proved: Steps = () if target.existing else (PointInTime(target=target),)
    return (*proved, Alarms(target=target)) if target.alarms else proved


def _replica(target: TargetPlan, when: str) -> Steps:
    if target.replica is None or target.replica.made != when:
        return ()
    return (ReplicaGroup(target=target), MakeReplica(target=target))
