"""The API's actions that moto answers wrongly or not at all: from parsed parameters to a plain answer.

A subclass of moto's response class: every action not named here is moto's. Decisions are the backend's.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from moto.core.responses import ActionResult
from moto.rds.exceptions import InvalidParameterValue
from moto.rds.responses import RDSResponse

from pgcutover.lab.rds import events, offers, parameters
from pgcutover.lab.rds.instances import DEFAULT_CA

if TYPE_CHECKING:
    from pgcutover.lab.rds.backend import Backend

PAGE = range(20, 101)
"""https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBParameters.html"""


class Actions(RDSResponse):
    @property
    def lab(self) -> "Backend":
        return cast("Backend", self.backend)

    def describe_db_parameters(self) -> ActionResult:
        group = self.lab.parameter_group(self.params["DBParameterGroupName"])
        catalogue = self.lab.parameters_of(str(group.family))
        return self._page("Parameters", list(parameters.rows(group.parameters, catalogue, self.params.get("Source"))))

    def describe_engine_default_parameters(self) -> ActionResult:
        family = self.params["DBParameterGroupFamily"]
        rows = list(parameters.rows({}, self.lab.parameters_of(family), None))
        page = cast(dict[str, Any], self._page("Parameters", rows).result)
        return ActionResult({"EngineDefaults": {"DBParameterGroupFamily": family, **page}})

    def reset_db_parameter_group(self) -> ActionResult:
        name = self.params["DBParameterGroupName"]
        changes = [change.original_dict() for change in self.params.get("Parameters") or ()]
        everything = bool(self.params.get("ResetAllParameters"))
        if everything == bool(changes):
            raise InvalidParameterValue("Either ResetAllParameters or a list of parameters must be given, not both.")
        self.lab.reset_db_parameter_group(name, changes, everything=everything)
        return ActionResult({"DBParameterGroupName": name})

    def describe_db_engine_versions(self) -> ActionResult:
        return self._page("DBEngineVersions", list(offers.engine_versions(self.params)))

    def describe_orderable_db_instance_options(self) -> ActionResult:
        return self._page("OrderableDBInstanceOptions", list(offers.orderable(self.params, self.region)))

    def describe_certificates(self) -> ActionResult:
        page = cast(dict[str, Any], self._page("Certificates", offers.certificates(self.params, self.region)).result)
        return ActionResult({"DefaultCertificateForNewLaunches": DEFAULT_CA, **page})

    def describe_account_attributes(self) -> ActionResult:
        return ActionResult({"AccountQuotas": offers.quotas(self.lab)})

    def describe_pending_maintenance_actions(self) -> ActionResult:
        return ActionResult({"PendingMaintenanceActions": []})

    def describe_events(self) -> ActionResult:
        return self._page("Events", events.chosen(self.lab.events, self.params))

    def _page(self, key: str, rows: Sequence[Any]) -> ActionResult:
        size = int(self.params.get("MaxRecords") or PAGE[-1])
        if size not in PAGE:
            raise InvalidParameterValue(f"Invalid value {size} for MaxRecords. Must be between 20 and 100")
        start = int(self.params.get("Marker") or 0)
        answer: dict[str, Any] = {key: list(rows[start : start + size])}
        if start + size < len(rows):
            answer["Marker"] = str(start + size)
        return ActionResult(answer)
