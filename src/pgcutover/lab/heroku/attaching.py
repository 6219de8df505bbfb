"""Attach and detach: the only two ways an add-on's URL gets into an app's config and out of it; and what changes it.

Each makes its release (https://devcenter.heroku.com/articles/managing-add-ons#using-the-command-line-interface).
Decided and done under the estate's lock, so that two requests cannot both take away "not the last" attachment.
"""

import secrets
from collections.abc import Mapping
from dataclasses import replace

from pgcutover.lab.heroku import refusals, rules
from pgcutover.lab.heroku.measures import end_sessions, set_password
from pgcutover.lab.heroku.records import DEFAULT, POOLING, AddOn, App, Attachment, now
from pgcutover.lab.heroku.releases import Releases
from pgcutover.lab.heroku.state import Estate
from pgcutover.lab.layout import HerokuServer

# The colours Heroku Postgres names its attachments after, as seen in apps of many years.
# fmt: off
COLOURS = (
    "AMBER", "AQUA", "BLACK", "BLUE", "BRONZE", "BROWN", "CHARCOAL", "COBALT", "COPPER", "CRIMSON", "CYAN",
    "GOLD", "GRAY", "GREEN", "IVORY", "JADE", "MAROON", "MAUVE", "NAVY", "OLIVE", "ONYX", "ORANGE", "PINK",
    "PUCE", "PURPLE", "RED", "ROSE", "SILVER", "TEAL", "VIOLET", "WHITE", "YELLOW",
)
# fmt: on

ADDON_USER = "heroku-postgresql@addons.heroku.com"
"""Whose releases those are that change a URL: https://devcenter.heroku.com/articles/app-webhooks-schema"""


class Attaching:
    def __init__(self, estate: Estate, releases: Releases) -> None:
        self._estate, self._releases = estate, releases

    def attach(
        self, app: App, addon: AddOn, *, name: str | None, namespace: str | None, confirm: str | None
    ) -> Attachment:
        """Raises Refusal: see `rules`; nothing has changed then."""
        with self._estate.lock:
            wanted = name or self._free_name(app)
            rules.check_attachment_name(wanted)
            rules.check_namespace(namespace, addon)
            if namespace == POOLING and not addon.server.pooler_port:
                raise refusals.invalid(f"{addon.name} has no connection pooler.")
            taken = next((a for a in self._estate.attachments_of_app(app.name) if a.name == wanted), None)
            if taken is None:
                rules.check_variable_free(wanted, app, self._estate.configs[app.name], confirm)
            else:
                self._replace(taken, app, addon, confirm)
            attachment = Attachment(
                id=self._estate.new_id(),
                name=wanted,
                addon=addon.name,
                app=app.name,
                namespace=namespace,
                created_at=now(),
            )
            self._estate.attachments[attachment.id] = attachment
            self._estate.configs[app.name][attachment.config_var] = self._estate.url(addon.name, namespace)
            self._release(app, f"Attach {wanted} (@ref:{addon.name})")
            return attachment

    def detach(self, attachment: Attachment) -> None:
        """Raises Refusal: it is the billing app's last one to that add-on."""
        with self._estate.lock:
            app, addon = self._estate.apps[attachment.app], self._estate.addons[attachment.addon]
            rules.check_not_last_when_destroyed(attachment, addon, self._left_without(attachment), app)
            self._remove(attachment, app)

    def remove(self, attachment: Attachment) -> None:
        """Of an add-on that is going."""
        with self._estate.lock:
            self._remove(attachment, self._estate.apps[attachment.app])

    def rotate(self, addon: AddOn, credential: str = DEFAULT) -> None:
        """A new password of one credential: each of its attachments' variables changes, in one release an app.

        Its sessions are ended, as the command line warns: heroku/cli, commands/pg/credentials/rotate. A follower has
        its leader's roles. assumption L16
        """
        with self._estate.lock:
            password = secrets.token_hex(16)
            role = addon.server.owner if credential == DEFAULT else credential
            set_password(addon.server, role, password)
            alike = [a for a in self._estate.addons.values() if addon.name in (a.name, a.following)]
            self._change({other.name: _with_password(other.server, credential, password) for other in alike})
        end_sessions(addon.server, [role])

    def replace_server(self, addon: AddOn, server: HerokuServer) -> None:
        """Another server stands behind the add-on, with the same logins. assumption L15"""
        with self._estate.lock:
            known = self._estate.addons[addon.name].server
            same = replace(server, owner=known.owner, password=known.password, credentials=known.credentials)
            self._change({addon.name: same})

    def _change(self, servers: Mapping[str, HerokuServer]) -> None:
        """By add-on: what stands behind it from now on."""
        apps: dict[str, list[str]] = {}
        for name, server in servers.items():
            self._estate.addons[name] = replace(self._estate.addons[name], server=server)
            for attachment in self._estate.attachments_of_addon(name):
                self._renew(attachment, apps)
        for app, names in apps.items():
            self._releases.make(app, f"Update {', '.join(names)} by heroku-postgresql", by=ADDON_USER)
        self._estate.save()

    def _renew(self, attachment: Attachment, apps: dict[str, list[str]]) -> None:
        config, url = self._estate.configs[attachment.app], self._estate.url(attachment.addon, attachment.namespace)
        if config.get(attachment.config_var) != url:
            config[attachment.config_var] = url
            apps.setdefault(attachment.app, []).append(attachment.name)

    def _replace(self, taken: Attachment, app: App, addon: AddOn, confirm: str | None) -> None:
        rules.check_replacement(taken, confirm, addon)
        if taken.addon != addon.name:
            loser = self._estate.addons[taken.addon]
            rules.check_not_last_when_replaced(taken, loser, self._left_without(taken), app)
        # assumption L3
        self._remove(taken, app)

    def _remove(self, attachment: Attachment, app: App) -> None:
        del self._estate.attachments[attachment.id]
        self._estate.configs[app.name].pop(attachment.config_var, None)
        self._release(app, f"Detach {attachment.name} (@ref:{attachment.addon})")

    def _left_without(self, doomed: Attachment) -> int:
        """How many attachments to the same add-on the same app would keep."""
        others = self._estate.attachments_of_addon(doomed.addon)
        return sum(1 for other in others if other.app == doomed.app and other.id != doomed.id)

    def _release(self, app: App, description: str) -> None:
        # assumption H2
        self._releases.make(app.name, description, runs_command=app.knobs.attach_runs_release_phase)

    def _free_name(self, app: App) -> str:
        taken = {attachment.name for attachment in self._estate.attachments_of_app(app.name)}
        free = tuple(name for colour in COLOURS if (name := f"HEROKU_POSTGRESQL_{colour}") not in taken)
        if not free:
            raise refusals.invalid(f"{app.name} has an attachment of every colour; give a name.")
        return self._estate.pick(free)


def _with_password(server: HerokuServer, credential: str, password: str) -> HerokuServer:
    if credential == DEFAULT:
        return replace(server, password=password)
    return replace(server, credentials={**server.credentials, credential: password})
