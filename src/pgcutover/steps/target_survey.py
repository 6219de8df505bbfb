"""What AWS says about the choices: asked before a plan is made, read only, and no more than the choices need."""

from pgcutover.errors import ConfigError
from pgcutover.facts.rds import ClassFacts, Instance, Parameter, is_ours
from pgcutover.planning.instance_classes import CLASSES
from pgcutover.planning.names import names_for
from pgcutover.planning.proposal import newest_version, wanted_major
from pgcutover.planning.sizing import candidates
from pgcutover.planning.storage import needed_gb
from pgcutover.planning.target import Occasion, SourceFacts, TargetFacts, TargetWishes
from pgcutover.steps.ports_aws import AwsGate


def survey_target(aws: AwsGate, wishes: TargetWishes, source: SourceFacts, occasion: Occasion) -> TargetFacts:
    """Everything that `plan_target` needs of AWS.

    Raises:
        ConfigError: the network or the named instance does not exist.
        RefusedError: RDS does not make that version.
        QuotaError: the account has no room for another instance.
        RightsError: the credentials lack a right to read.
    """
    return _existing(aws, wishes, occasion) if wishes.existing else _new(aws, wishes, source, occasion)


def _new(aws: AwsGate, wishes: TargetWishes, source: SourceFacts, occasion: Occasion) -> TargetFacts:
    versions = aws.offers.versions()
    version = newest_version(versions, wanted_major(wishes, source.major))
    found = aws.instances.describe(names_for(occasion.app).instance)
    if found is None or not is_ours(dict(found.tags), dict(occasion.tags)):
        storage = wishes.storage_gb or needed_gb(data_bytes=source.data_bytes, index_bytes=source.index_bytes)
        aws.offers.refuse_full(storage, replica=_wants_replica(wishes, source))
    asked = (*candidates(wishes.size, source.plan), *_replica_class(wishes))
    return TargetFacts(
        versions=versions,
        orderable=aws.offers.orderable(version.version, asked),
        known_classes=_unknown_classes(aws, asked, found),
        parameters=aws.parameters.of_family(version.family),
        network=aws.network.survey(wishes.subnet_ids),
        instance=found,
        replica=aws.instances.describe(names_for(occasion.app).replica),
    )


def _existing(aws: AwsGate, wishes: TargetWishes, occasion: Occasion) -> TargetFacts:
    found = aws.instances.describe(wishes.existing)
    if found is None:
        raise ConfigError(
            f"there is no RDS instance {wishes.existing} in {wishes.region}",
            hint="Check target.existing and target.region.",
        )
    parameters: tuple[Parameter, ...] = ()
    shared: tuple[str, ...] = ()
    if wishes.parameter_group and wishes.parameter_group == found.parameter_group:
        parameters = aws.parameters.of_group(wishes.parameter_group)
        shared = aws.instances.with_parameter_group(wishes.parameter_group)
    return TargetFacts(
        versions=(),
        orderable=aws.offers.orderable(found.engine_version, _replica_class(wishes)),
        known_classes=_unknown_classes(aws, _replica_class(wishes), found),
        parameters=parameters,
        network=None,
        instance=found,
        group_shared_with=tuple(name for name in shared if name != found.identifier),
        replica=aws.instances.describe(names_for(occasion.app).replica),
        family_parameters=() if wishes.replica in ("auto", "none") else _of_family(aws, found),
    )


def _of_family(aws: AwsGate, found: Instance) -> tuple[Parameter, ...]:
    return aws.parameters.of_family(f"postgres{found.major}")


def _wants_replica(wishes: TargetWishes, source: SourceFacts) -> bool:
    return bool(source.followers) if wishes.replica == "auto" else wishes.replica != "none"


def _replica_class(wishes: TargetWishes) -> tuple[str, ...]:
    """The class that a person named for the replica."""
    return (wishes.replica_size,) if wishes.replica_size.startswith("db.") else ()


def _unknown_classes(aws: AwsGate, asked: tuple[str, ...], found: Instance | None) -> tuple[ClassFacts, ...]:
    """Facts of classes that our table does not have."""
    names = {*asked, *((found.instance_class,) if found else ())} - set(CLASSES)
    described = (aws.offers.describe_class(name) for name in sorted(names))
    return tuple(facts for facts in described if facts is not None)
