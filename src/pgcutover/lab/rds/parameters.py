"""Parameter groups: what a change must satisfy, what a group shows, and what its instances' servers should be set to.

Pure: decides and computes, changes no group and no server. A group's own values are
`{name: {"ParameterValue": …, "ApplyMethod": …}}`, as moto keeps them.
Messages are those of the service as seen in public logs (A14).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from moto.rds.exceptions import InvalidParameterCombination, InvalidParameterValue, RDSClientError

from pgcutover.lab.rds import formulas
from pgcutover.lab.rds.catalogue import MAJORS, Parameter

MOST_PER_CALL = 20
"""https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBParameterGroup.html"""
IMMEDIATE, PENDING_REBOOT = "immediate", "pending-reboot"
NAME = re.compile(r"[A-Za-z](?:-?[A-Za-z0-9])*")
LONGEST_NAME = 255
NEVER_APPLIED = frozenset({"rds.extensions"})

Own = Mapping[str, Mapping[str, Any]]


def check_new_group(name: str, family: str) -> None:
    """Raises what CreateDBParameterGroup answers to a name or family that will not do."""
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise InvalidParameterValue(
            "The parameter DBParameterGroupName is not a valid identifier. Identifiers must begin with a letter; must "
            "contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two "
            "consecutive hyphens."
        )
    if family not in MAJORS:
        raise InvalidParameterValue(f"ParameterGroupFamily {family} is not a valid parameter group family")


def check_not_default(name: str) -> None:
    if name.startswith("default."):
        raise RDSClientError("InvalidDBParameterGroupState", f"The parameter group {name} is a default group.")


def check_changes(changes: Sequence[Mapping[str, Any]], catalogue: Mapping[str, Parameter]) -> None:
    """Raises what ModifyDBParameterGroup answers to changes that will not do; nothing of them counts then."""
    if len(changes) > MOST_PER_CALL:
        raise InvalidParameterValue(
            f"The request contains {len(changes)} parameters; at most {MOST_PER_CALL} can be modified in one request."
        )
    for change in changes:
        parameter = _modifiable(change, catalogue)
        _check_method(change, parameter)
        _check_value(str(change.get("ParameterValue", "")), parameter)


def check_resets(changes: Sequence[Mapping[str, Any]], catalogue: Mapping[str, Parameter]) -> None:
    """The same for ResetDBParameterGroup, whose changes carry no values."""
    if len(changes) > MOST_PER_CALL:
        raise InvalidParameterValue(
            f"The request contains {len(changes)} parameters; at most {MOST_PER_CALL} can be reset in one request."
        )
    for change in changes:
        _check_method(change, _modifiable(change, catalogue))


def _modifiable(change: Mapping[str, Any], catalogue: Mapping[str, Parameter]) -> Parameter:
    name = str(change.get("ParameterName", ""))
    parameter = catalogue.get(name)
    if parameter is None:
        raise InvalidParameterValue(f"Could not find parameter with name: {name}")
    if not parameter.modifiable:
        raise InvalidParameterValue(f"The parameter {name} cannot be modified.")
    return parameter


def _check_method(change: Mapping[str, Any], parameter: Parameter) -> None:
    method = change.get("ApplyMethod", PENDING_REBOOT)
    if method not in (IMMEDIATE, PENDING_REBOOT):
        raise InvalidParameterValue(f"Invalid apply method: {method}")
    if method == IMMEDIATE and parameter.static:
        raise InvalidParameterCombination("cannot use immediate apply method for static parameter")


def _check_value(value: str, parameter: Parameter) -> None:
    if parameter.data_type in ("integer", "float") and formulas.is_formula(value):
        try:
            formulas.check(value)
        except formulas.FormulaError:
            raise _refused(value, parameter) from None
        return
    values = [part.strip() for part in value.split(",")] if parameter.is_list else [value]
    if not all(_allowed(part, parameter) for part in values):
        raise _refused(value, parameter)


def _allowed(value: str, parameter: Parameter) -> bool:
    bounds = re.fullmatch(r"(-?[\d.e+-]+?)-(-?[\d.e+]+)", parameter.allowed)
    if parameter.data_type in ("integer", "float") and bounds is not None:
        try:
            number = int(value) if parameter.data_type == "integer" else float(value)
        except ValueError:
            return False
        return float(bounds[1]) <= number <= float(bounds[2])
    return not parameter.allowed or value in parameter.allowed.split(",")


def _refused(value: str, parameter: Parameter) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"Invalid parameter value: {value} for: {parameter.name} allowed values are: {parameter.allowed}"
    )


def rows(own: Own, catalogue: Mapping[str, Parameter], source: str | None) -> Iterator[dict[str, Any]]:
    """DescribeDBParameters: every parameter of the family, with this group's values over RDS's own."""
    for name, parameter in catalogue.items():
        mine = own.get(name)
        value = mine["ParameterValue"] if mine else parameter.default
        origin = "user" if mine else "system" if parameter.default is not None else "engine-default"
        if source not in (None, origin):
            continue
        row: dict[str, Any] = {
            "ParameterName": name,
            "Description": parameter.description,
            "Source": origin,
            "ApplyType": parameter.apply_type,
            "DataType": parameter.data_type,
            "IsModifiable": parameter.modifiable,
            "ApplyMethod": mine.get("ApplyMethod", PENDING_REBOOT) if mine else PENDING_REBOOT,
        }
        if parameter.allowed:
            row["AllowedValues"] = parameter.allowed
        if value is not None:
            row["ParameterValue"] = value
        yield row


def wanted(own: Own, catalogue: Mapping[str, Parameter], variables: Mapping[str, int]) -> dict[str, str]:
    """The settings a server should have under this group, formulas evaluated, in postgresql.conf's terms.

    `rds.*` are in it too: as settings of our own they can be read with current_setting, as on RDS.
    """
    settings: dict[str, str] = {}
    for name, parameter in catalogue.items():
        value = own[name]["ParameterValue"] if name in own else parameter.default
        if value is not None and name not in NEVER_APPLIED:
            settings[name] = _in_terms_of_the_server(str(value), parameter, variables)
    return settings


def _in_terms_of_the_server(value: str, parameter: Parameter, variables: Mapping[str, int]) -> str:
    if parameter.data_type == "boolean":
        return "on" if value == "1" else "off"
    if parameter.data_type in ("integer", "float") and formulas.is_formula(value):
        number = formulas.evaluate(value, variables)
        bounds = re.fullmatch(r"(-?\d+)-(\d+)", parameter.allowed)
        return str(number if bounds is None else min(max(number, int(bounds[1])), int(bounds[2])))
    return value


def in_force(
    wanted_now: Mapping[str, str],
    before: Mapping[str, str],
    waiting: frozenset[str],
) -> tuple[dict[str, str], bool]:
    """What counts without a reboot: of `waiting` (asked for with the method pending-reboot) what counted before.

    Returns the settings, and whether something of them waits for a reboot.
    """
    settings = dict(wanted_now)
    held = False
    for name in waiting:
        if wanted_now.get(name) == before.get(name):
            continue
        held = True
        if name in before:
            settings[name] = before[name]
        else:
            settings.pop(name, None)
    return settings, held
