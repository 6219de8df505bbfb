"""The Data API tells what PostgreSQL itself says at that moment."""

from typing import Any

import psycopg
import pytest
from local_heroku import Heroku, Servers, wait_for


def addon(heroku: Heroku, *, follower: bool = False) -> dict[str, Any]:
    attachments = heroku.get("/apps/acme-api/addon-attachments")
    found: dict[str, Any] = next(a for a in attachments if (a["name"] != "DATABASE") is follower)["addon"]
    return found


def rows(info: dict[str, Any]) -> dict[str, list[str]]:
    return {row["name"]: row["values"] for row in info["info"]}


@pytest.fixture
def session(heroku_servers: Servers) -> Any:
    server = heroku_servers.leader
    with psycopg.connect(
        host=server.host,
        port=server.port,
        user=server.owner,
        password=server.password,
        dbname=server.database,
        sslmode="require",
        autocommit=True,
    ) as connection:
        yield connection


def test_info_of_the_leader_is_live(looked_at: Heroku, session: psycopg.Connection) -> None:
    """Size, tables, version and connections are those of the server; by id and by name it is the same database."""
    found = addon(looked_at)
    info = looked_at.get(f"/client/v11/databases/{found['id']}")
    size, version, tables = session.execute(
        "SELECT pg_database_size(current_database()), split_part(current_setting('server_version'), ' ', 1), "
        "(SELECT count(*) FROM information_schema.tables WHERE table_type = 'BASE TABLE' "
        "AND table_schema NOT IN ('pg_catalog', 'information_schema', '_heroku'))"
    ).fetchone() or (0, "", 0)
    assert (version, tables) == (info["postgres_version"], info["num_tables"])
    assert pytest.approx(size, rel=0.05) == info["num_bytes"]
    assert info["num_connections"] >= 1
    assert [f"{info['num_connections']}/120"] == rows(info)["Connections"]
    assert info["addon_id"] == looked_at.get(f"/client/v11/databases/{found['name']}")["addon_id"]


def test_info_of_the_follower_names_its_leader(looked_at: Heroku) -> None:
    """`following` is the leader's URL, the lag is told, and the leader lists its follower."""
    follower = looked_at.get(f"/client/v11/databases/{addon(looked_at, follower=True)['id']}")
    leader = looked_at.get(f"/client/v11/databases/{addon(looked_at)['id']}")
    assert leader["resource_url"] == follower["following"]
    assert (True, False) == (follower["hot_standby?"], leader["hot_standby?"])
    assert rows(follower)["Behind By"][0].endswith(" commits")
    assert [follower["resource_url"]] == rows(leader)["Followers"]


def test_the_resource_url_is_what_the_attachment_gave(looked_at: Heroku) -> None:
    """By this the command line finds the config vars that hold a database's URL, a copied one included."""
    config = looked_at.get("/apps/acme-api/config-vars")
    url = looked_at.get(f"/client/v11/databases/{addon(looked_at)['id']}")["resource_url"]
    assert {"DATABASE_URL", "ANALYTICS_DATABASE_URL"} == {name for name, value in config.items() if value == url}


def test_credentials_are_default_and_reporting(looked_at: Heroku, heroku_servers: Servers) -> None:
    """Each can log in with what the API tells."""
    found = looked_at.get(f"/postgres/v0/databases/{addon(looked_at)['id']}/credentials")
    assert ["default", "acme_reporting"] == [credential["name"] for credential in found]
    for credential in found:
        login = credential["credentials"][0]
        with psycopg.connect(
            host=credential["host"],
            port=credential["port"],
            dbname=credential["database"],
            user=login["user"],
            password=login["password"],
            sslmode="require",
        ) as connection:
            assert (login["user"],) == connection.execute("SELECT current_user").fetchone()


def test_wait_status_settings_and_what_is_empty(looked_at: Heroku) -> None:
    """An available database waits for nothing, has no links, schedules or maintenance, and tells its log settings."""
    identity = addon(looked_at)["id"]
    assert {"waiting?": False, "message": "available"} == looked_at.get(f"/client/v11/databases/{identity}/wait_status")
    assert [] == looked_at.get(f"/client/v11/databases/{identity}/links")
    assert [] == looked_at.get(f"/client/v11/databases/{identity}/transfer-schedules")
    assert "none" == looked_at.get(f"/data/maintenances/v1/{identity}")["status"]
    assert "log_statement" in looked_at.get(f"/postgres/v0/databases/{identity}/config")
    assert looked_at.get(f"/client/v11/databases/{identity}/metrics")[0]["memory_total"] > 0
    assert 404 == looked_at.api.get("/client/v11/databases/nope").status_code


def test_connection_reset_ends_the_owners_sessions(looked_at: Heroku, session: psycopg.Connection) -> None:
    """L12: a session of the owner is gone afterwards."""
    identity = addon(looked_at)["id"]
    assert looked_at.api.post(f"/client/v11/databases/{identity}/connection_reset").is_success

    def gone() -> bool:
        try:
            session.execute("SELECT 1")
        except psycopg.OperationalError:
            return True
        return False

    wait_for(gone)


def test_the_pooler_leads_to_the_same_database(still: Heroku) -> None:
    """L11: attached by the Data API, its URL works, with TLS, through a port of its own."""
    identity = addon(still)["id"]
    made = still.api.post(
        f"/client/v11/databases/{identity}/connection-pooling", json={"app": "acme-api", "credential": "default"}
    ).json()
    assert ("DATABASE_CONNECTION_POOL", "connection-pooling:default") == (made["name"], made["namespace"])
    config = still.get("/apps/acme-api/config-vars")
    answers = []
    for name in ("DATABASE_URL", "DATABASE_CONNECTION_POOL_URL"):
        with psycopg.connect(config[name], sslmode="require") as connection:
            answers.append(
                connection.execute("SELECT current_database(), system_identifier FROM pg_control_system()").fetchone()
            )
    assert answers[0] == answers[1]
