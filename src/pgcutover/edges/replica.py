"""The read replica's server, asked: whether it follows, with which settings, and how far behind. Reads only."""

from collections.abc import Sequence

from pgcutover.edges.postgres import Server, query
from pgcutover.edges.target import MAINTENANCE_DATABASE, TargetAccess
from pgcutover.facts.rds import ReplicaStanding


class Replica:
    def __init__(self, primary: TargetAccess, replica: TargetAccess) -> None:
        """The same logins, on two servers."""
        self._primary, self._replica = primary, replica

    def standing(self, names: Sequence[str]) -> ReplicaStanding:
        """How the replica is, with these settings.

        Raises:
            TargetError: one of the two cannot be reached.
        """
        # The primary first: what it had written then, the replica may have replayed by now.
        with self._server(self._primary).session("replica") as session:
            (written,) = session.execute("SELECT pg_catalog.pg_current_wal_lsn()::text").fetchone() or ("0/0",)
        with self._server(self._replica).session("replica") as session:
            row = session.execute(query("replica_standing"), {"written": written}).fetchone()
            settings = session.execute(query("replica_settings"), {"names": list(names)}).fetchall()
        assert row is not None, "a SELECT without FROM has one row"
        return ReplicaStanding(
            in_recovery=row[0], lag_bytes=row[1], settings=tuple((name, value) for name, value in settings)
        )

    def _server(self, access: TargetAccess) -> Server:
        return Server(dsn=access.master(MAINTENANCE_DATABASE), side="target")
