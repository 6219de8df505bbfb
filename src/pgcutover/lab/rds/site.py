"""What all instances of one lab's RDS share: its directory, authority, clock, catalogue, knobs and lock."""

import threading
from pathlib import Path

from pgcutover.errors import UsageError
from pgcutover.lab.clusters import may_enter, run_as
from pgcutover.lab.layout import LabLayout
from pgcutover.lab.rds.access import Access
from pgcutover.lab.rds.catalogue import Catalogue
from pgcutover.lab.rds.clock import Clock
from pgcutover.lab.rds.database import Database
from pgcutover.lab.rds.knobs import Knobs
from pgcutover.lab.tls import CertificateAuthority

HOST = "127.0.0.1"


class Site:
    """`lock` guards every record of the API: handlers hold it for the whole request, workers while they change one.

    Slow work on servers is done without it.
    """

    def __init__(self, layout: LabLayout, ca: CertificateAuthority, *, speed: float) -> None:
        self.layout = layout
        self.ca = ca
        self.root: Path = layout.rds
        self.clock = Clock(speed)
        self.catalogue = Catalogue(self.root)
        self.knobs = Knobs()
        self.access = Access()
        self.lock = threading.RLock()
        self._databases: dict[Path, Database] = {}
        self.root.mkdir(parents=True, exist_ok=True)
        # Whatever our umask is: the servers run as somebody else.
        self.root.chmod(0o755)
        if not may_enter(self.root):
            raise UsageError(
                f"the user {run_as() or 'running this'} cannot enter {self.root}",
                hint="Choose a place whose parent directories everybody may enter.",
            )
        layout.run.mkdir(parents=True, exist_ok=True)
        self._certificate = ca.issue((HOST,), stem="rds")

    @property
    def snapshots(self) -> Path:
        return self.root / "snapshots"

    def database(self, directory: Path, major: int) -> Database:
        """A database whose server and relay end with the lab at the latest."""
        made = Database(directory, major, root=self.root, run=self.layout.run, certificate=self._certificate)
        with self.lock:
            self._databases[directory] = made
        return made

    def forget(self, database: Database) -> None:
        with self.lock:
            self._databases.pop(database.directory, None)

    def close(self) -> None:
        """Stop every server and relay; what they hold stays on disk."""
        with self.lock:
            databases = tuple(self._databases.values())
        stoppers = [threading.Thread(target=database.stop) for database in databases]
        for stopper in stoppers:
            stopper.start()
        for stopper in stoppers:
            stopper.join()
