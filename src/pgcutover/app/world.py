"""The world of one run: every port that a step may touch, opened when it is first needed and closed together.

The source's URL is read from Heroku anew whenever a session is opened for the first time, because Heroku may rotate
credentials between prepare and migrate; the target's address and logins come from AWS.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Self

from pgcutover.app.estate import source_dsn
from pgcutover.app.guards import RealClock, RunNotes
from pgcutover.app.trust import ACCEPTED, pinned_by, trust
from pgcutover.config import Config
from pgcutover.copying.crew import Crew, processes
from pgcutover.edges.archive import open_archive
from pgcutover.edges.aws import Aws
from pgcutover.edges.canary import Canary
from pgcutover.edges.claim import Claim
from pgcutover.edges.content import ContentProof
from pgcutover.edges.copyfinish import CopyFinish
from pgcutover.edges.copysource import CopySource
from pgcutover.edges.copystream import carry
from pgcutover.edges.copytarget import CopyTarget
from pgcutover.edges.fencing import HeldSource
from pgcutover.edges.gate import Gate
from pgcutover.edges.heroku import HerokuClient
from pgcutover.edges.postgres import Server
from pgcutover.edges.rds_ca import ca_bundle
from pgcutover.edges.replica import Replica
from pgcutover.edges.runrecord import cas_sql
from pgcutover.edges.target import TargetAccess, TargetAdmin
from pgcutover.edges.vacuuming import Vacuuming
from pgcutover.edges.vault import Vault
from pgcutover.errors import AwsError
from pgcutover.planning.instance_classes import CLASSES
from pgcutover.planning.plan import ClientPlan, Plan
from pgcutover.steps.ports_copy import Copier

TARGET_SETTINGS = {"default_transaction_read_only": "off"}
"""The target is closed to everybody's writes until the switch opens it; our own sessions say otherwise."""

OPENED_WITH_A_PASSWORD = (
    *("source_server", "source", "claim"),
    *("access", "admin", "replica_access", "replica", "canary"),
    *("plain_target", "target_server", "target", "vacuuming", "proof", "copier"),
)


class RunWorld:
    """Everything that the steps of one run touch."""

    def __init__(
        self,
        config: Config,
        plan: Plan,
        run: str,
        *,
        heroku: HerokuClient,
        aws: Aws,
        notes: RunNotes,
        holder: str,
        judge: Callable[[int | None], None] | None = None,
        accept: str = "",
    ) -> None:
        """`judge` is asked with the epoch that the source has of this run, before the run is taken.

        `accept` is the certificate of the source's server that a person accepts from now on instead of the plan's.
        """
        self.plan, self.run, self.heroku, self.aws, self.notes = plan, run, heroku, aws, notes
        self.clock = RealClock()
        self.vault = Vault(config.state / "vault.json")
        self._config, self._holder, self._judge, self._accept = config, holder, judge, accept
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def renew(self) -> None:
        """Let go of everything that knows a password; it is opened again, with what Heroku and AWS say then, when it
        is next needed."""
        self._exits.close()
        for name in OPENED_WITH_A_PASSWORD:
            self.__dict__.pop(name, None)

    # -- source -----------------------------------------------------------------------------------------------------

    @cached_property
    def source_server(self) -> Server:
        source = self.plan.decisions.source
        known = pinned_by(source.certificate, self.notes.notes(ACCEPTED))
        dsn = source_dsn(self.heroku, source.billing_app, source.addon)
        trusted = trust(dsn, pinned=self._accept or known, state=self._config.state)
        if trusted.anchor.sha256 != known:
            self.notes.note(ACCEPTED, {"sha256": trusted.anchor.sha256, "instead_of": known, "by": self._holder})
        return Server(dsn=trusted.dsn, side="source")

    @cached_property
    def source(self) -> HeldSource:
        held = HeldSource(self.source_server, claim_sql=cas_sql(self.run, self.claim.epoch))
        self._exits.callback(held.close)
        return held

    @cached_property
    def claim(self) -> Claim:
        """The right to run, taken on the source; on the target too once there is one."""
        claim = Claim.acquire(self.source_server, None, run_id=self.run, holder=self._holder, judge=self._judge)
        self._exits.callback(claim.release)
        return claim

    # -- target -----------------------------------------------------------------------------------------------------

    @cached_property
    def access(self) -> TargetAccess:
        return self._access(self.plan.decisions.target.instance)

    @cached_property
    def replica_access(self) -> TargetAccess:
        """The same logins on the read replica."""
        planned = self.plan.decisions.target.replica
        assert planned is not None, "only a plan with a replica has steps that ask for it"
        return self._access(planned.identifier)

    @cached_property
    def replica(self) -> Replica:
        return Replica(self.access, self.replica_access)

    def _access(self, instance: str) -> TargetAccess:
        target = self.plan.decisions.target
        replica = target.replica
        return TargetAccess(
            endpoint=lambda: self._endpoint(instance),
            replica_endpoint=(lambda: self._endpoint(replica.identifier)) if replica else None,
            logins=lambda: self.aws.logins(target.secret_name, target.master_secret),
            ca_bundle=self._ca_bundle,
            master_user=target.master_user,
            app_role=target.app_role,
            database=target.database,
        )

    @cached_property
    def admin(self) -> TargetAdmin:
        return TargetAdmin(self.access)

    @cached_property
    def canary(self) -> Canary:
        decisions = self.plan.decisions
        return Canary(
            spec=decisions.target.database_spec,
            source=self.source_server,
            directories=client_directories(self._config, decisions.clients),
            file=self._config.state / "runs" / self.run / "canary.dump",
            ensure=self.admin.ensure_database,
            look=self.admin.database,
            master=self.access.master,
            app=lambda name: replace(self.access.app(), database=name),
        )

    @cached_property
    def plain_target(self) -> Server:
        """The new database as the application's role, for reading."""
        return Server(dsn=self.access.app(), side="target", settings=TARGET_SETTINGS)

    @cached_property
    def target_server(self) -> Server:
        """The same, ours alone from here on."""
        self.claim.take_target(self.plain_target)
        return self.plain_target

    @cached_property
    def target(self) -> Gate:
        return Gate(self.target_server, claim_sql=cas_sql(self.run, self.claim.epoch))

    @cached_property
    def vacuuming(self) -> Vacuuming:
        return Vacuuming(self.target_server)

    @cached_property
    def proof(self) -> ContentProof:
        return ContentProof(
            self.source_server,
            self.plain_target,
            directory=self._config.state / "runs" / self.run / "salvage",
            jobs=self.plan.decisions.jobs,
        )

    @cached_property
    def copier(self) -> Copier:
        decisions, claim = self.plan.decisions, cas_sql(self.run, self.claim.epoch)
        target = CopyTarget(
            server=self.target_server,
            run_id=self.run,
            claim=claim,
            master=self._master,
            sort_memory=decisions.sort_memory,
        )
        archive = open_archive(
            self._config.state / "runs" / self.run / "definitions.dump",
            self.source_server,
            self.target_server,
            directories=client_directories(self._config, decisions.clients),
            settings=TARGET_SETTINGS,
            master=self._master,
        )
        return Copier(
            run_id=self.run,
            epoch=self.claim.epoch,
            claim=claim,
            source=CopySource(server=self.source_server),
            target=target,
            finish=CopyFinish(target=target),
            definitions=archive,
            crew=self._crew,
            jobs=decisions.jobs,
            builders=self._builders(),
            source_dsn=self.source_server.dsn,
            target_dsn=self.target_server.dsn,
        )

    def _master(self) -> Server:
        """The new database as the master: only for what the application's role may not make."""
        return Server(dsn=self.access.master(self.plan.decisions.target.database), side="target")

    def _builders(self) -> int:
        """No more than the class has cores."""
        decisions = self.plan.decisions
        known = CLASSES.get(decisions.target.instance_class)
        return min(decisions.jobs, known.vcpus) if known else decisions.jobs

    def _crew(self) -> Crew:
        jobs = self.plan.decisions.jobs
        return Crew(lambda: processes(jobs), carry, size=jobs)

    def _endpoint(self, instance: str) -> tuple[str, int]:
        found = self.aws.instances.describe(instance)
        if found is None or not found.host:
            raise AwsError(
                f"RDS instance {instance} is not there or has no address yet",
                hint="Run pgcutover prepare, and look at the instance's status in the RDS console.",
            )
        return found.host, found.port

    def _ca_bundle(self) -> Path:
        target = self.plan.decisions.target
        configured = target.ca_bundle or self._config.surroundings.rds_ca
        return ca_bundle(target.region, configured=configured, state=self._config.state)


def client_directories(config: Config, planned: ClientPlan) -> tuple[Path, ...]:
    """Where PostgreSQL's programs are looked for: as planned, then as this machine's configuration says."""
    configured = (config.file.parent / Path(text).expanduser() for text in config.tools.pg_bin)
    return (Path(planned.dump_path).parent, Path(planned.restore_path).parent, *configured)
