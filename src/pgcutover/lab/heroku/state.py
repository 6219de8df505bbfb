"""The estate of the local Heroku: everything it remembers, behind one lock, and a copy of it in a file.

The file is for reading only (by the ledger, and by a curious person): 0600, replaced whole, never half-written.
Invariant: whoever changes the estate holds `lock` over decision and change, so that no rule is decided on stale facts.
"""

import json
import os
import random
import threading
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import quote

from pgcutover.lab.heroku import refusals
from pgcutover.lab.heroku.records import (
    CREDENTIAL,
    POOLING,
    AddOn,
    App,
    Attachment,
    ProcessType,
    Release,
    ReleaseStatus,
    Slug,
    now,
)
from pgcutover.lab.layout import LabLayout

Record = TypeVar("Record", App, AddOn, Release)


SLUG = "slug"
"""Below the lab's Heroku directory: what every dyno finds in its working directory."""


def estate_file(layout: LabLayout) -> Path:
    return layout.heroku / "platform.json"


class Estate:
    """Everything by name, as people speak of it; identities are looked up by id or name, as on Heroku."""

    def __init__(self, layout: LabLayout, *, seed: int) -> None:
        self.lock = threading.RLock()
        self.apps: dict[str, App] = {}
        self.addons: dict[str, AddOn] = {}
        self.attachments: dict[str, Attachment] = {}
        """By id."""
        self.configs: dict[str, dict[str, str]] = {}
        """By app: what the API shows. Dynos see their release's copy."""
        self.releases: dict[str, dict[int, Release]] = {}
        """By app, then version."""
        self.formation: dict[str, dict[str, ProcessType]] = {}
        self.slugs: dict[str, Slug] = {}
        """By id."""
        self.router_ports: dict[str, int] = {}
        self.created_at = now()
        self.user_email = "owner@acme.example"
        self._random = random.Random(f"estate {seed}")
        self.user_id = self.new_id()
        self._file = estate_file(layout)

    def new_id(self) -> str:
        with self.lock:
            return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def number(self, low: int, high: int) -> int:
        with self.lock:
            return self._random.randint(low, high)

    def pick(self, choices: tuple[str, ...]) -> str:
        with self.lock:
            return self._random.choice(choices)

    def app(self, identity: str) -> App:
        found = self.apps.get(identity) or _by_id(self.apps.values(), identity)
        if found is None:
            raise refusals.not_found("app")
        return found

    def addon(self, identity: str) -> AddOn:
        found = self.addons.get(identity) or _by_id(self.addons.values(), identity)
        if found is None:
            raise refusals.not_found("add_on")
        return found

    def attachment(self, identity: str, *, app: str | None = None) -> Attachment:
        """By id anywhere; by name only within an app, for names are unique only there."""
        found = self.attachments.get(identity)
        if found is not None and app in (None, found.app):
            return found
        for attachment in self.attachments.values():
            if attachment.app == app and attachment.name == identity:
                return attachment
        raise refusals.not_found("add_on attachment")

    def release(self, app: str, identity: str) -> Release:
        versions = self.releases[app]
        number = identity.removeprefix("v")
        found = versions.get(int(number)) if number.isdigit() else _by_id(versions.values(), identity)
        if found is None:
            raise refusals.not_found("release")
        return found

    def newest_release(self, app: str) -> Release:
        versions = self.releases[app]
        return versions[max(versions)]

    def attachments_of_app(self, app: str) -> tuple[Attachment, ...]:
        return tuple(a for a in self.attachments.values() if a.app == app)

    def attachments_of_addon(self, addon: str) -> tuple[Attachment, ...]:
        return tuple(a for a in self.attachments.values() if a.addon == addon)

    def url(self, addon: str, namespace: str | None) -> str:
        """The URL that an attachment of this namespace puts into its config var."""
        server = self.addons[addon].server
        user, password, port = server.owner, server.password, server.port
        if namespace == POOLING:
            port = server.pooler_port
        elif namespace is not None:
            user = namespace.removeprefix(CREDENTIAL)
            password = server.credentials[user]
        return f"postgres://{quote(user)}:{quote(password)}@{server.host}:{port}/{quote(server.database)}"

    def add_release(self, app: str, description: str, *, runs_command: bool, by: str | None = None) -> Release:
        """A pending release with the app's config as it is at this moment."""
        with self.lock:
            version = max(self.releases[app], default=0) + 1
            release = Release(
                id=self.new_id(),
                app=app,
                version=version,
                description=description,
                status=ReleaseStatus.PENDING,
                created_at=now(),
                updated_at=now(),
                runs_command=runs_command,
                config=MappingProxyType(dict(self.configs[app])),
                by=by,
            )
            self.releases[app][version] = release
            self.save()
            return release

    def update_release(self, release: Release, **changes: Any) -> Release:
        with self.lock:
            changed = replace(release, updated_at=now(), **changes)
            self.releases[release.app][release.version] = changed
            self.save()
            return changed

    def update_app(self, name: str, **changes: Any) -> App:
        with self.lock:
            self.apps[name] = replace(self.apps[name], updated_at=now(), **changes)
            self.save()
            return self.apps[name]

    def serving_config(self, app: str) -> Mapping[str, str]:
        """What dynos that start now see: the config of the newest release that succeeded."""
        with self.lock:
            release = self.releases[app].get(self.apps[app].serving_version)
            return MappingProxyType({}) if release is None else release.config

    def save(self) -> None:
        """Write the copy. Called at the end of every change, under the lock."""
        with self.lock:
            text = json.dumps(self._document(), indent=1, sort_keys=True)
            fresh = self._file.with_suffix(".new")
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
            fresh.replace(self._file)

    def _document(self) -> dict[str, Any]:
        return {
            "servers": {
                addon.name: {
                    "host": addon.server.host,
                    "ports": [addon.server.port, *filter(None, [addon.server.pooler_port])],
                    "database": addon.server.database,
                    "plan": addon.plan,
                    "following": addon.following,
                }
                for addon in self.addons.values()
            },
            "apps": {name: self._app_document(name) for name in self.apps},
        }

    def _app_document(self, name: str) -> dict[str, Any]:
        app = self.apps[name]
        return {
            "maintenance": app.maintenance,
            "serving_version": app.serving_version,
            "newest_version": max(self.releases[name], default=0),
            "router_port": self.router_ports.get(name),
            "buildpacks": list(app.buildpacks),
            "config": dict(self.configs[name]),
            "formation": {
                process.type: {"quantity": process.quantity, "size": process.size, "command": process.command}
                for process in self.formation[name].values()
            },
            "attachments": {
                a.name: {"addon": a.addon, "namespace": a.namespace} for a in self.attachments_of_app(name)
            },
        }


def _by_id(records: Iterable[Record], identity: str) -> Record | None:
    return next((record for record in records if record.id == identity), None)
