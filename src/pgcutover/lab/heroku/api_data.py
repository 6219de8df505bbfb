"""The Data API (`heroku pg:*`): every figure is read from the database at the moment of the request.

It is served on the Platform API's port, for the command line takes port and scheme from there. Paths and shapes:
https://www.npmjs.com/package/@heroku/types (data) and the sources of heroku/cli.
"""

from collections.abc import Callable

import psycopg
from fastapi import APIRouter

from pgcutover.lab.heroku import measures, refusals
from pgcutover.lab.heroku.bodies import Pooling
from pgcutover.lab.heroku.measures import Measures
from pgcutover.lab.heroku.plans import Plan, plan
from pgcutover.lab.heroku.platform import Platform
from pgcutover.lab.heroku.records import DEFAULT, POOLING, AddOn, now
from pgcutover.lab.heroku.shapes import Json, attachment, fixed_id

WINDOW = "Tuesday 14:30 to 18:30 UTC"
SETTINGS = {
    "log_lock_waits": ("Logs when a session waits longer than deadlock_timeout for a lock.", True),
    "log_connections": ("Logs each successful connection.", True),
    "log_min_duration_statement": ("Logs statements that take at least so many milliseconds.", 2000),
    "log_statement": ("Which statements are logged.", "none"),
    "log_min_error_statement": ("Logs the statement of an error at least as severe as this.", "error"),
    "track_functions": ("Whether calls of functions are counted.", "none"),
}


def routes(platform: Platform) -> APIRouter:
    router = APIRouter()
    _databases(router, platform)
    _credentials(router, platform)
    _lists(router, platform)
    _pooling(router, platform)
    return router


def _database(platform: Platform, identity: str) -> AddOn:
    with platform.estate.lock:
        return platform.estate.addon(identity)


def _measured(addon: AddOn) -> Measures:
    try:
        return measures.measure(addon.server)
    except psycopg.OperationalError as cause:
        raise refusals.Refusal(503, "service_unavailable", f"{addon.name} does not answer.") from cause


def _databases(router: APIRouter, platform: Platform) -> None:
    @router.get("/client/v11/databases/{database}")
    def info(database: str) -> Json:
        addon = _database(platform, database)
        leader = None if addon.following is None else _database(platform, addon.following)
        followers = [other for other in platform.estate.addons.values() if other.following == addon.name]
        measured = _measured(addon)
        behind = None if leader is None else max(0, _measured(leader).newest_xid - measured.newest_xid)
        url_of: Callable[[AddOn], str] = lambda other: platform.estate.url(other.name, None)  # noqa: E731
        return {
            "addon_id": addon.id,
            "name": addon.name,
            "plan": addon.plan.partition(":")[2],
            "resource_url": url_of(addon),
            "database_name": addon.server.database,
            "database_user": addon.server.owner,
            "database_password": addon.server.password,
            "port": addon.server.port,
            "following": None if leader is None else url_of(leader),
            "forked_from": None,
            "leader": None if leader is None else {"addon_id": leader.id, "name": leader.name},
            "formation": {"id": fixed_id(f"formations/{(leader or addon).id}"), "primary": None},
            "num_bytes": measured.size_bytes,
            "num_connections": measured.sessions,
            "num_connections_waiting": 0,
            "num_tables": measured.tables,
            "postgres_version": measured.version,
            "created_at": addon.created_at.isoformat(),
            "target_transaction": None,
            "status_updated_at": now().isoformat(),
            "available_for_ingress": True,
            "waiting?": False,
            "hot_standby?": measured.in_recovery,
            "standalone?": leader is None,
            "info": _rows(addon, measured, leader=leader, followers=followers, behind=behind, url_of=url_of),
        }

    @router.get("/client/v11/databases/{database}/wait_status")
    def wait_status(database: str) -> Json:
        _measured(_database(platform, database))
        return {"waiting?": False, "message": "available"}

    @router.post("/client/v11/databases/{database}/connection_reset")
    def connection_reset(database: str) -> Json:
        measures.end_sessions(_database(platform, database).server)
        return {"message": "Connections terminated."}

    @router.get("/client/v11/databases/{database}/metrics")
    def metrics(database: str) -> list[Json]:
        _database(platform, database)
        return [{**measures.machine(), "at": now().isoformat()}]


def _rows(
    addon: AddOn,
    measured: Measures,
    *,
    leader: AddOn | None,
    followers: list[AddOn],
    behind: int | None,
    url_of: Callable[[AddOn], str],
) -> list[Json]:
    """The lines of pg:info. Names: heroku/cli, lib/pg/types.d.ts; values as the command line prints them."""
    bought = plan(addon.plan)
    limit = measured.connection_limit or bought.connections
    rows: list[tuple[str, list[str], bool]] = [
        ("Plan", [bought.human_name], False),
        ("Status", ["Available"], False),
        ("Data Size", [_data_size(measured, bought)], False),
        ("Tables", [str(measured.tables)], False),
        ("PG Version", [measured.version], False),
        ("Connections", [f"{measured.sessions}/{limit}"], False),
        ("Connection Pooling", ["Available"], False),
        ("Credentials", [str(1 + len(addon.server.credentials))], False),
        ("Fork/Follow", ["Available"], False),
        ("Followers", [url_of(follower) for follower in followers], True),
        ("Following", [] if leader is None else [url_of(leader)], True),
        ("Behind By", [] if behind is None else [f"{behind} commits"], False),
        ("Rollback", ["earliest from " + addon.created_at.strftime("%Y-%m-%d %H:%M UTC")], False),
        ("Created", [addon.created_at.strftime("%Y-%m-%d %H:%M UTC")], False),
        ("Region", ["us"], False),
        ("Data Encryption", ["In Use"], False),
        ("Continuous Protection", ["On"], False),
        ("Enhanced Certificates", ["Off"], False),
        ("Maintenance", ["not required"], False),
        ("Maintenance window", [WINDOW], False),
    ]
    return [
        {"name": name, "values": values, **({"resolve_db_name": True} if resolve else {})}
        for name, values, resolve in rows
        if values
    ]


def _data_size(measured: Measures, bought: Plan) -> str:
    share = 100 * measured.size_bytes / bought.disk_bytes
    return f"{measured.size_bytes / 1024**2:.1f} MB / {bought.disk_bytes // 1024**3} GB ({share:.2f}%)"


def _credentials(router: APIRouter, platform: Platform) -> None:
    @router.get("/postgres/v0/databases/{database}/credentials")
    def credentials(database: str) -> list[Json]:
        addon = _database(platform, database)
        return _credential_shapes(addon, _measured(addon))

    @router.get("/postgres/v0/databases/{database}/credentials/{name}")
    def credential(database: str, name: str) -> Json:
        for shape in credentials(database):
            if shape["name"] == name:
                return shape
        raise refusals.not_found("credential")

    @router.post("/postgres/v0/databases/{database}/credentials/{name}/credentials_rotation")
    def rotate(database: str, name: str) -> Json:
        addon = _database(platform, database)
        if name != DEFAULT and name not in addon.server.credentials:
            raise refusals.not_found("credential")
        platform.attaching.rotate(addon, name)
        return {"message": f"Rotating {name}."}

    @router.get("/postgres/v0/databases/{database}/config")
    def config(database: str) -> Json:
        found = _measured(_database(platform, database)).settings
        return {
            name: {"value": _typed(found[name]), "desc": description, "default": default}
            for name, (description, default) in SETTINGS.items()
        }


def _credential_shapes(addon: AddOn, measured: Measures) -> list[Json]:
    server = addon.server
    users = {DEFAULT: (server.owner, server.password), **{name: (name, p) for name, p in server.credentials.items()}}
    return [
        {
            "uuid": fixed_id(f"credentials/{addon.id}/{name}"),
            "name": name,
            "state": "active",
            "database": server.database,
            "host": server.host,
            "port": server.port,
            "credentials": [
                {
                    "user": user,
                    "password": password,
                    "state": "active",
                    "connections": measured.sessions_by_role.get(user, 0),
                }
            ],
        }
        for name, (user, password) in users.items()
    ]


def _typed(setting: str) -> bool | int | str:
    if setting in ("on", "off"):
        return setting == "on"
    return int(setting) if setting.lstrip("-").isdigit() else setting


def _lists(router: APIRouter, platform: Platform) -> None:
    @router.get("/client/v11/databases/{database}/links")
    @router.get("/client/v11/databases/{database}/transfer-schedules")
    def none_of_these(database: str) -> list[Json]:
        _database(platform, database)
        return []

    @router.get("/client/v11/apps/{app}/transfers")
    def transfers(app: str) -> list[Json]:
        with platform.estate.lock:
            platform.estate.app(app)
        return []

    @router.get("/data/maintenances/v1/apps/{app}")
    def maintenances(app: str) -> Json:
        with platform.estate.lock:
            name = platform.estate.app(app).name
            addons = [addon for addon in platform.estate.addons.values() if addon.app == name]
        return {"maintenances": [_maintenance(addon) for addon in addons]}

    @router.get("/data/maintenances/v1/{database}")
    def maintenance(database: str) -> Json:
        return _maintenance(_database(platform, database))

    @router.get("/data/maintenances/v1/{database}/window")
    def window(database: str) -> Json:
        _database(platform, database)
        return {"window": WINDOW}


def _maintenance(addon: AddOn) -> Json:
    return {
        "addon": {
            "uuid": addon.id,
            "name": addon.name,
            "kind": "heroku-postgresql",
            "plan": addon.plan.partition(":")[2],
            "window": WINDOW,
        },
        "app": {"name": addon.app},
        "status": "none",
        "reason": None,
        "method": None,
        "required_by": None,
        "scheduled_for": None,
        "previously_scheduled_for": None,
        "completed_at": None,
        "duration_approximate": None,
    }


def _pooling(router: APIRouter, platform: Platform) -> None:
    estate = platform.estate

    @router.get("/client/v11/databases/{database}/connection-pooling")
    def poolers(database: str) -> list[Json]:
        with estate.lock:
            found = estate.attachments_of_addon(_database(platform, database).name)
            return [attachment(estate, a) for a in found if a.namespace == POOLING]

    @router.post("/client/v11/databases/{database}/connection-pooling", status_code=201)
    def attach_pooler(database: str, body: Pooling) -> Json:
        with estate.lock:
            made = platform.attaching.attach(
                estate.app(body.app),
                _database(platform, database),
                name=body.name or "DATABASE_CONNECTION_POOL",
                namespace=POOLING,
                confirm=None,
            )
            return attachment(estate, made)
