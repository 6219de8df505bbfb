"""What the lab's RDS takes from moto, named: the day moto renames one of these, this fails and says which."""

import inspect
from importlib.metadata import version

import pytest
from moto.core.base_backend import BackendDict
from moto.rds.models import DBInstance, DBSnapshot, MasterUserSecret, RDSBackend, rds_backends
from moto.rds.responses import RDSResponse
from moto.ssm.responses import SimpleSystemManagerResponse

from pgcutover.lab.rds.actions import Actions
from pgcutover.lab.rds.backend import Backend
from pgcutover.lab.rds.groups import Groups
from pgcutover.lab.rds.instances import Instance, Secret
from pgcutover.lab.rds.snapshots import Snapshots

OURS = {
    Actions: {
        "lab",
        "describe_engine_default_parameters",
        "reset_db_parameter_group",
        "describe_db_engine_versions",
        "describe_certificates",
        "describe_account_attributes",
        "describe_pending_maintenance_actions",
    },
    Backend: {"instances", "forget", "open_maintenance_window"},
    Snapshots: {
        "instance",
        "check_available",
        "check_new_place",
        "check_finished",
        "directory_of",
        "new_snapshot",
        "automated_snapshot",
        "finish_snapshot",
    },
    Groups: {
        "parameters_of",
        "parameter_group",
        "reset_db_parameter_group",
        "check_group_fits",
        "default_subnet_group",
        "check_security_groups",
    },
    Instance: {
        "busy",
        "enter",
        "fail",
        "follow_group",
        "group",
        "master_password",
        "secondary_availability_zone",
        "iops",
        "tell",
        "waiting_for_reboot",
        "wanted_settings",
    },
    Secret: set(),
}
"""What is new with us, and hence replaces nothing of moto's."""
BASES = {
    Actions: RDSResponse,
    Backend: RDSBackend,
    Snapshots: RDSBackend,
    Groups: RDSBackend,
    Instance: DBInstance,
    Secret: MasterUserSecret,
}


def test_moto_is_of_the_minor_version_the_lab_is_written_for() -> None:
    """Another minor version may have moved anything."""
    assert ["5", "2"] == version("moto").split(".")[:2]


@pytest.mark.parametrize("ours", BASES, ids=lambda cls: cls.__name__)
def test_everything_we_replace_still_exists_in_moto(ours: type) -> None:
    """A method or property that moto no longer has would be ours alone, and never called."""
    public = {name for name, what in vars(ours).items() if not name.startswith("_") and _is_code(what)}
    assert set() == {name for name in public - OURS[ours] if not hasattr(BASES[ours], name)}


@pytest.mark.parametrize("ours", BASES, ids=lambda cls: cls.__name__)
def test_methods_we_replace_still_take_the_same_arguments(ours: type) -> None:
    """moto's own callers pass them by name and place."""
    theirs = BASES[ours]
    replaced = [
        name
        for name, what in vars(ours).items()
        if inspect.isfunction(what) and name != "__init__" and inspect.isfunction(getattr(theirs, name, None))
    ]
    different = {n for n in replaced if _arguments(getattr(theirs, n)) != _arguments(getattr(ours, n))}
    assert set() == different


def test_the_private_parts_we_lean_on_still_exist() -> None:
    """The password, the storage type, the secret's text, the registry's factory and its reset."""
    source = inspect.getsource(DBInstance)
    assert all(
        name in source for name in ("self._master_user_password", "self._storage_type", "self.source_db_instance")
    )
    assert hasattr(MasterUserSecret, "_generate_secret_string")
    assert RDSBackend is rds_backends.backend
    assert callable(BackendDict.reset)
    assert all(name in inspect.getsource(DBSnapshot) for name in ("self.database", "self.status", "self.snapshot_type"))


def test_what_we_add_to_systems_manager_is_missing_there_and_what_we_wrap_is_not() -> None:
    """The day moto lists managed machines by itself, ours would hide it."""
    assert not hasattr(SimpleSystemManagerResponse, "describe_instance_information")
    assert callable(SimpleSystemManagerResponse.get_command_invocation)


def _is_code(what: object) -> bool:
    return inspect.isfunction(what) or isinstance(what, property | staticmethod | classmethod)


def _arguments(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]
