"""Parameter groups, subnet groups and security groups of the lab's RDS, over moto's records of them.

A parameter group's values live in moto's record; `parameters.py` decides what is allowed, `life.retune` carries it to
the servers. Every method is called with `Site.lock` held.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from moto.ec2.models import ec2_backends
from moto.rds import urls
from moto.rds.exceptions import (
    DBParameterGroupAlreadyExistsError,
    DBParameterGroupNotFoundError,
    InvalidParameterCombination,
    InvalidParameterValue,
    RDSClientError,
)
from moto.rds.models import DBParameterGroup, DBSubnetGroup, RDSBackend

from pgcutover.lab.rds import life, parameters, rules
from pgcutover.lab.rds.catalogue import FAMILIES, MAJORS, Parameter
from pgcutover.lab.rds.site import Site

if TYPE_CHECKING:
    from pgcutover.lab.rds.instances import Instance

DEFAULT_SUBNET_GROUP = "default"


class Groups(RDSBackend):
    def __init__(self, region_name: str, account_id: str, *, site: Site) -> None:
        super().__init__(region_name, account_id)
        self.site = site
        self.events: list[Any] = []
        self.held: dict[str, set[str]] = {}
        """By group: dynamic parameters last edited with the method pending-reboot."""
        for family in FAMILIES.values():
            self._made_group(f"default.{family}", f"Default parameter group for {family}", family, None)

    @property
    def url_bases(self) -> list[str]:
        return urls.url_bases

    @property
    def url_paths(self) -> dict[str, Any]:
        from pgcutover.lab.rds.actions import Actions

        return {"/$": Actions.dispatch}

    def parameters_of(self, family: str) -> Mapping[str, Parameter]:
        if family not in MAJORS:
            raise InvalidParameterValue(f"ParameterGroupFamily {family} is not a valid parameter group family")
        return self.site.catalogue.of(MAJORS[family])

    def parameter_group(self, name: str) -> DBParameterGroup:
        if name not in self.db_parameter_groups:
            raise DBParameterGroupNotFoundError(name)
        return self.db_parameter_groups[name]

    def create_db_parameter_group(self, db_parameter_group_kwargs: dict[str, Any]) -> DBParameterGroup:
        name = db_parameter_group_kwargs["db_parameter_group_name"]
        parameters.check_new_group(name, db_parameter_group_kwargs.get("db_parameter_group_family", ""))
        self._check_group_is_new(name)
        return super().create_db_parameter_group(db_parameter_group_kwargs)

    def copy_db_parameter_group(
        self,
        source_db_parameter_group_identifier: str,
        target_db_parameter_group_identifier: str,
        target_db_parameter_group_description: str,
        tags: list[dict[str, str]] | None = None,
    ) -> DBParameterGroup:
        source = self.parameter_group(source_db_parameter_group_identifier.rsplit(":", 1)[-1])
        name = target_db_parameter_group_identifier
        parameters.check_new_group(name, str(source.family))
        self._check_group_is_new(name)
        copy = self._made_group(name, target_db_parameter_group_description, source.family, tags)
        copy.update_parameters(source.parameters.values())
        return copy

    def describe_db_parameter_groups(self, db_parameter_group_kwargs: dict[str, Any]) -> list[DBParameterGroup]:
        name = db_parameter_group_kwargs.get("db_parameter_group_name")
        return [self.parameter_group(name)] if name else list(self.db_parameter_groups.values())

    def modify_db_parameter_group(
        self, db_parameter_group_name: str, db_parameter_group_parameters: Iterable[dict[str, Any]]
    ) -> DBParameterGroup:
        group, changes = self.parameter_group(db_parameter_group_name), list(db_parameter_group_parameters)
        parameters.check_not_default(group.name)
        catalogue = self.parameters_of(str(group.family))
        parameters.check_changes(changes, catalogue)
        group.update_parameters(changes)
        self._edited(group, changes, catalogue)
        return group

    def reset_db_parameter_group(self, name: str, changes: Sequence[dict[str, Any]], *, everything: bool) -> None:
        """https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ResetDBParameterGroup.html"""
        group = self.parameter_group(name)
        parameters.check_not_default(group.name)
        catalogue = self.parameters_of(str(group.family))
        if everything:
            changes = [{"ParameterName": one, "ApplyMethod": parameters.IMMEDIATE} for one in group.parameters]
        else:
            parameters.check_resets(changes, catalogue)
        for change in changes:
            group.parameters.pop(change["ParameterName"], None)
        self._edited(group, changes, catalogue)

    def delete_db_parameter_group(self, db_parameter_group_name: str) -> DBParameterGroup:
        group = self.parameter_group(db_parameter_group_name)
        parameters.check_not_default(group.name)
        if self._attached_to(group):
            raise RDSClientError(
                "InvalidDBParameterGroupState",
                f"One or more database instances are still members of this parameter group {group.name}, so the group "
                "cannot be deleted",
            )
        self.held.pop(group.name, None)
        return self.db_parameter_groups.pop(group.name)

    def check_group_fits(self, name: str | None, major: int) -> None:
        if name is not None:
            rules.check_family(name, str(self.parameter_group(name).family), FAMILIES[major])

    def create_subnet_group(
        self, subnet_name: str, description: str, subnets: list[Any], tags: list[dict[str, str]]
    ) -> DBSubnetGroup:
        if subnet_name in self.subnet_groups:
            raise RDSClientError("DBSubnetGroupAlreadyExists", f"The DB subnet group '{subnet_name}' already exists.")
        self._check_subnets(subnets)
        return super().create_subnet_group(subnet_name, description, subnets, tags)

    def modify_db_subnet_group(self, subnet_name: str, description: str, subnets: list[Any]) -> DBSubnetGroup:
        (group,) = self.describe_db_subnet_groups(subnet_name)
        self._check_subnets(subnets)
        group.subnets = subnets
        if description is not None:
            group.description = description
        return group

    def delete_subnet_group(self, subnet_name: str) -> DBSubnetGroup:
        (group,) = self.describe_db_subnet_groups(subnet_name)
        for database in self.databases.values():
            if database.db_subnet_group is group:
                raise RDSClientError(
                    "InvalidDBSubnetGroupStateFault",
                    f"Cannot delete the subnet group '{subnet_name}' because at least one database instance: "
                    f"{database.resource_id} is still using it.",
                )
        return super().delete_subnet_group(subnet_name)

    def default_subnet_group(self) -> str:
        """The group of the default VPC's subnets, which RDS makes when a request names none."""
        if DEFAULT_SUBNET_GROUP not in self.subnet_groups:
            ec2 = ec2_backends[self.account_id][self.region_name]
            subnets = ec2.describe_subnets(filters={"default-for-az": "true"})
            super().create_subnet_group(DEFAULT_SUBNET_GROUP, "default", subnets, [])
        return DEFAULT_SUBNET_GROUP

    def check_security_groups(self, request: Mapping[str, Any]) -> None:
        """They exist, and lie in the VPC of the subnet group."""
        name = request.get("db_subnet_group_name")
        vpc = self.describe_db_subnet_groups(name)[0].vpc_id if name else None
        ec2 = ec2_backends[self.account_id][self.region_name]
        for identifier in request.get("vpc_security_group_ids") or ():
            group = ec2.get_security_group_from_id(identifier)
            if group is None:
                raise InvalidParameterValue(f"Invalid security group , groupId= {identifier}, groupName=.")
            if vpc is not None and group.vpc_id != vpc:
                raise InvalidParameterCombination(
                    "The DB instance and EC2 security group are in different VPCs. The DB instance is in "
                    f"{vpc} and the EC2 security group is in {group.vpc_id}"
                )

    @staticmethod
    def _check_subnets(subnets: Sequence[Any]) -> None:
        if len({subnet.vpc_id for subnet in subnets}) != 1:
            raise RDSClientError(
                "InvalidSubnet",
                "The requested subnets are invalid, or multiple subnets were requested that are not in one VPC.",
            )
        rules.check_coverage(frozenset(subnet.availability_zone for subnet in subnets))

    def _made_group(
        self, name: str, description: str, family: str | None, tags: list[dict[str, str]] | None
    ) -> DBParameterGroup:
        # moto calls methods abstract that it never asks for outside CloudFormation.
        group = DBParameterGroup(self, name, description, family, tags)  # type: ignore[abstract]
        self.db_parameter_groups[name] = group
        return group

    def _check_group_is_new(self, name: str) -> None:
        if name in self.db_parameter_groups:
            raise DBParameterGroupAlreadyExistsError(name)
        if len(self.db_parameter_groups) - len(FAMILIES) >= self.site.knobs.parameter_group_quota:
            raise RDSClientError("DBParameterGroupQuotaExceeded", "DB parameter group quota exceeded")

    def _attached_to(self, group: DBParameterGroup) -> "tuple[Instance, ...]":
        return tuple(one for one in self.databases.values() if one.attached_group == group.name)  # type: ignore[misc, attr-defined]

    def _edited(
        self, group: DBParameterGroup, changes: Iterable[Mapping[str, Any]], catalogue: Mapping[str, Parameter]
    ) -> None:
        held = self.held.setdefault(group.name, set())
        for change in changes:
            name = change["ParameterName"]
            if change.get("ApplyMethod") != parameters.IMMEDIATE and not catalogue[name].static:
                held.add(name)
            else:
                held.discard(name)
        for instance in self._attached_to(group):
            instance.worker.submit(functools.partial(life.retune, instance))
