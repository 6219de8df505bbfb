"""What Heroku refuses, in Heroku's own words, and what the lab assumes where Heroku's words are not known.

Pure: every rule looks at values and returns or raises; nothing here changes anything. Numbers `H1`…`H8` are those of
the list of unsettled questions kept with the project's notes on Heroku; `L…` are assumptions that the lab adds.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from pgcutover.lab.heroku import refusals
from pgcutover.lab.heroku.records import CREDENTIAL, POOLING, AddOn, App, Attachment, ProcessType

ASSUMPTIONS = MappingProxyType(
    {
        "H1": "The refusals 'Cannot overwrite attachment values' and 'last attachment' come as 422 invalid_params; "
        "only their texts are known, so knobs change status and id.",
        "H2": "Releases made by attaching and detaching do not run the release command, as Heroku's page on the "
        "release phase says; the knob attach_runs_release_phase makes them.",
        "H3": "Attachment names are kept as given and must be letters, digits and underscores.",
        "H4": "Prices and connection limits of plans are those of October 2026.",
        "H5": "The log keeps the newest 1500 lines of each app.",
        "L1": "Attaching under a name whose config var was set by hand needs confirmation, and then takes its place; "
        "the command line's help says that confirming overwrites existing config vars.",
        "L2": "A name in use by another attachment of the app needs confirmation, also when it is of the same add-on.",
        "L3": "Replacing an attachment makes two releases, 'Detach' and then 'Attach'.",
        "L4": "Every release is pending for its 5 to 15 seconds, also without a release command; releases of one app "
        "are carried out one after the other.",
        "L5": "Dynos that are scaled away leave the list at once, though their process may live on until the end of "
        "its 30 seconds of grace.",
        "L6": "A new release does not touch one-off dynos: they go on with the config they started with.",
        "L7": "A formation dyno that is stopped by name is started again; only scaling takes it away.",
        "L8": "A one-off dyno that has ended is gone: the API answers 404 for it.",
        "L9": "Rolling back to a release puts back every config var of it, attachments' variables included, and leaves "
        "the attachments alone.",
        "L10": "A request without an Accept header of version 3 is refused with 406.",
        "L11": "The add-on's server-side pooler listens on the same host, on the port after the database's, which is "
        "where bin/use-pgbouncer of the PgBouncer buildpack looks for it.",
        "L12": "`connection_reset` ends every session of the owner and of the credentials, and no other.",
        "L13": "Without a Range, releases are listed by id, which is no order at all.",
        "L14": "A dyno that crashes comes back after 10 s, then 20 s, 40 s and so on, at most 10 minutes.",
        "L15": "A failover leaves name, logins and database of the add-on as they are and changes host or port; each "
        "app gets one release by the add-on, followers follow the new leader, and here nothing acknowledged is lost.",
        "L16": "Rotating a credential changes its own attachments' variables, one release an app, and ends its own "
        "sessions, on the follower when those come back only.",
        "L17": "What buildpacks add to a slug is there from the next dyno on: changing their list is a deploy.",
        "L30": "An app's first heroku-postgresql add-on is attached as DATABASE, by one release called "
        "'Attach DATABASE (@ref:NAME)'.",
    }
)
"""What the lab does although nobody could check it on Heroku; code that relies on one carries its number."""

# Schema: config-var, `patternProperties` of PATCH /apps/{app}/config-vars.
CONFIG_VAR = re.compile(r"^\w+$")
# assumption H3
ATTACHMENT_NAME = re.compile(r"^[A-Za-z]\w*$", re.ASCII)
QUANTITY = re.compile(r"^[+-]?\d+$")
MOST_DYNOS = 100


def check_config_changes(changes: Mapping[str, object]) -> dict[str, str | None]:
    """The changes as they may be applied: names well-formed, values text or null."""
    for name, value in changes.items():
        if not CONFIG_VAR.match(name):
            raise refusals.invalid(f"Config var key {name} is invalid: only letters, digits and underscores.")
        if not isinstance(value, str | None):
            raise refusals.invalid(f"Config var {name} must be a string or null.")
    return {name: value for name, value in changes.items() if value is None or isinstance(value, str)}


def check_not_owned(changes: Iterable[str], attachments: Iterable[Attachment], app: App) -> None:
    """A variable that an attachment owns can be neither set nor unset."""
    owned = {attachment.config_var for attachment in attachments}
    touched = [name for name in changes if name in owned]
    if touched:
        # assumption H1. Text: https://github.com/xavdid/heroku-config/issues/32
        raise refusals.Refusal(
            app.knobs.refusal_status,
            app.knobs.refusal_id,
            f"Cannot overwrite attachment values {', '.join(touched)}.",
        )


def config_description(before: Mapping[str, str], changes: Mapping[str, str | None]) -> str | None:
    """The release's description; None when nothing changes, and then there is no release."""
    added = [name for name, value in changes.items() if value is not None and before.get(name) != value]
    removed = [name for name, value in changes.items() if value is None and name in before]
    match added, removed:
        case [], []:
            return None
        case _, []:
            return f"Set {', '.join(added)} config vars"
        case [], _:
            return f"Remove {', '.join(removed)} config vars"
        case _:
            return f"Set {', '.join(added)} and remove {', '.join(removed)} config vars"


def check_attachment_name(name: str) -> None:
    if not ATTACHMENT_NAME.match(name):
        raise refusals.invalid(f"Name {name} is invalid: only letters, digits and underscores, a letter first.")


def check_namespace(namespace: str | None, addon: AddOn) -> None:
    """None, the pooler, or a credential that the database has."""
    if namespace in (None, POOLING):
        return
    if str(namespace).removeprefix(CREDENTIAL) not in addon.server.credentials or ":" not in str(namespace):
        raise refusals.invalid(f"{namespace} is not a namespace of {addon.name}.")


def check_variable_free(name: str, app: App, config: Mapping[str, str], confirm: str | None) -> None:
    """A variable that somebody set is overwritten only when the app's name confirms it. assumption L1"""
    if f"{name}_URL" in config and confirm != app.name:
        raise refusals.confirmation_required(
            app.name, f"Config var {name}_URL is already set on {app.name}. It will be overwritten."
        )


def check_replacement(taken: Attachment, confirm: str | None, addon: AddOn) -> None:
    """A name that another attachment has needs the app's name as confirmation. assumption L2"""
    if confirm != taken.app:
        raise refusals.confirmation_required(
            taken.app,
            f"{taken.name} is already the name of an attachment to {taken.addon} on {taken.app}. "
            f"It will be replaced by one to {addon.name}.",
        )


def check_not_last_when_replaced(taken: Attachment, addon: AddOn, left: int, app: App) -> None:
    """`left`: how many attachments the billing app would keep to the add-on that loses this one."""
    if addon.app == taken.app and left == 0:
        # assumption H1. Text: https://github.com/heroku/legacy-cli/issues/1562
        raise refusals.Refusal(
            app.knobs.refusal_status,
            app.knobs.refusal_id,
            f"{taken.name} on {taken.app} is the last billing attachment to {addon.name}; either remove the add-on "
            "entirely or add a new attachment to it before replacing its config vars.",
        )


def check_not_last_when_destroyed(doomed: Attachment, addon: AddOn, left: int, app: App) -> None:
    """The billing app keeps at least one attachment; other apps may let go of all."""
    if addon.app == doomed.app and left == 0:
        # assumption H1. Text: https://github.com/heroku/heroku-attachable-resources/issues/21
        raise refusals.Refusal(
            app.knobs.refusal_status,
            app.knobs.refusal_id,
            f"Cannot destroy last attachment to billing app for resource {addon.name}",
        )


def quantity(wanted: object, process: ProcessType) -> int:
    """A number, or text as the command line sends it: `2`, `+1`, `-1`."""
    if isinstance(wanted, bool) or not isinstance(wanted, int | str) or not QUANTITY.match(str(wanted)):
        raise refusals.invalid("Quantity must be a whole number.")
    relative = isinstance(wanted, str) and wanted[0] in "+-"
    result = process.quantity + int(wanted) if relative else int(wanted)
    if not 0 <= result <= MOST_DYNOS:
        raise refusals.invalid(f"Cannot scale {process.type} to {result}: quantity must be from 0 to {MOST_DYNOS}.")
    if process.type == "release" and result:
        # https://devcenter.heroku.com/articles/release-phase : its dynos are started by releases only.
        raise refusals.invalid("Cannot scale the release process type.")
    return result
