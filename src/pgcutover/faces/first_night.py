"""FIRST-NIGHT.md: what to watch after the lift, at which figures to act, where to look, and when it is over.

Pure text in Markdown, from the plan alone: it can be read before the move, and holds no secret. Every command is one
that a person types as it stands.
"""

from collections.abc import Iterator
from shlex import quote

from pgcutover.faces.figures import count, size
from pgcutover.faces.wording import DIGEST_DIGITS
from pgcutover.facts.rds import Alarm
from pgcutover.planning.plan import Plan
from pgcutover.planning.target import TargetPlan

FIRST_NIGHT = "FIRST-NIGHT.md"
IN_BYTES = frozenset({"FreeStorageSpace", "FreeableMemory", "OldestReplicationSlotLag", "TransactionLogsDiskUsage"})
UNITS = {"CPUUtilization": " %", "ReplicaLag": " s"}
MEANINGS = {
    "CPUUtilization": "a query without its index, or statistics that are missing: `pg_stat_activity`",
    "DatabaseConnections": "Heroku's pooler is gone: lower the pools of the apps, or put PgBouncer in front",
    "FreeStorageSpace": "enlarge the disk (it never shrinks again); first see whether WAL takes it",
    "FreeableMemory": "too many connections or too large a `work_mem`; else the next class",
    "TransactionLogsDiskUsage": "see what keeps WAL: `pg_replication_slots`, and the archive",
    "OldestReplicationSlotLag": "the replica falls behind: a query there, or too small a class",
    "ReplicaLag": "a query longer than the replica's `statement_timeout`, or too small a class",
}
SLOTS = "select slot_name, active, wal_status, safe_wal_size from pg_replication_slots"
SLOWEST = (
    "select pid, usename, now() - query_start as runs, state, wait_event, left(query, 80) from pg_stat_activity "
    "where state <> 'idle' order by query_start limit 20"
)


def first_night(plan: Plan) -> str:
    """The checklist of the first night, and of the days until the move is retired."""
    target = plan.decisions.target
    parts = [_preface(plan), _figures(target), _looks(plan), _if(plan), _days(plan)]
    return "\n".join(line for part in parts for line in (*part, "")).rstrip() + "\n"


def _preface(plan: Plan) -> Iterator[str]:
    target = plan.decisions.target
    where = f"`{target.instance}`" + (f" and its read replica `{target.replica.identifier}`" if target.replica else "")
    yield f"# The first night on RDS: {plan.decisions.environment}"
    yield ""
    yield f"Plan `{plan.digest[:DIGEST_DIGITS]}`. The applications run on {where} in {target.region}."
    yield "Going back (`pgcutover rollback`) leaves behind, exported, what was written since the lift: decide early."
    yield ""
    yield "## Before you leave"
    yield ""
    yield "- [ ] `pgcutover status` says *moved*; else `pgcutover migrate` finishes what is open."
    yield "- [ ] Every app answers: a page, a background job, a report."
    yield "- [ ] What was stopped for the move runs again: one-off and Scheduler dynos (`pgcutover report` lists them),"
    yield "  jobs elsewhere."
    topics = sorted({alarm.topic for alarm in target.alarms if alarm.topic})
    if topics:
        yield f"- [ ] Somebody gets what {', '.join(f'`{topic}`' for topic in topics)} sends, and has confirmed it."
    elif target.alarms:
        yield "- [ ] The alarms below are told to nobody: set `alarm_topic`, or watch them yourself."
    else:
        yield "- [ ] No alarm is set: watch the figures yourself."


def _figures(target: TargetPlan) -> Iterator[str]:
    if not target.alarms:
        return
    yield "## Figures, and when to act"
    yield ""
    yield "Averages of a minute, five in a row, as the alarms see them."
    yield ""
    yield "| alarm | goes off | then |"
    yield "|---|---|---|"
    for alarm in target.alarms:
        yield f"| `{alarm.name}` | {_threshold(alarm)} | {MEANINGS[alarm.metric]} |"


def _threshold(alarm: Alarm) -> str:
    if alarm.metric in IN_BYTES:
        shown = size(alarm.threshold)
    else:
        shown = f"{count(int(alarm.threshold))}{UNITS.get(alarm.metric, '')}"
    return f"{'above' if alarm.above else 'below'} {shown}"


def _looks(plan: Plan) -> Iterator[str]:
    target = plan.decisions.target
    app = quote(plan.decisions.apps[0].moves.app)
    region = f"--region {quote(target.region)}"
    yield "## Where to look"
    yield ""
    yield "```sh"
    for planned in plan.decisions.apps:
        yield f"heroku logs -a {quote(planned.moves.app)} -n 200"
    if target.alarms:
        names = " ".join(quote(alarm.name) for alarm in target.alarms)
        yield f"aws cloudwatch describe-alarms {region} --state-value ALARM --alarm-names {names}"
    yield f"aws rds describe-events {region} --source-type db-instance --source-identifier {target.instance}"
    restorable = "'DBInstances[0].LatestRestorableTime'"
    yield f"aws rds describe-db-instances {region} --db-instance-identifier {target.instance} --query {restorable}"
    yield f"heroku run -a {app} {quote(_psql(SLOWEST))}"
    if target.replica:
        yield f"heroku run -a {app} {quote(_psql(SLOTS))}"
    yield "```"
    yield ""
    yield "`LatestRestorableTime` is never more than some minutes old: so far a restore to any moment reaches."
    if target.replica:
        yield "`wal_status` is `reserved` or `extended`; `unreserved` or `lost` says that the replica was too late."


def _psql(statement: str) -> str:
    return f'psql "$DATABASE_URL" -c "{statement}"'


def _if(plan: Plan) -> Iterator[str]:
    target = plan.decisions.target
    yield "## When something is wrong"
    yield ""
    yield "| what | do this |"
    yield "|---|---|"
    yield (
        "| a query is slow that was not | `EXPLAIN (ANALYZE, BUFFERS)`; `ANALYZE` its tables; compare with the old "
        "database, which can still be read |"
    )
    if target.replica:
        yield (
            "| `canceling statement due to conflict with recovery` | the query ran on the replica for more than an "
            "hour: make it shorter, or run it where nothing else reads |"
        )
        yield (
            "| reports are old | `ReplicaLag`: a long query holds the replay back by as long as it runs; end it on the "
            "replica |"
        )
    yield "| the disk fills | `FreeStorageSpace` and `TransactionLogsDiskUsage`: data, or WAL? Enlarge it |"
    yield "| the instance is gone or restarts | the events above; Multi-AZ is " + (
        "on: it fails over by itself |" if target.multi_az else "off: RDS brings it back within minutes |"
    )
    yield "| it cannot stay | `pgcutover rollback`, and without pgcutover `BREAK-GLASS.md` |"


def _days(plan: Plan) -> Iterator[str]:
    source = plan.decisions.source
    yield "## The days after"
    yield ""
    yield "- [ ] Next morning: the busiest hour has passed without an alarm."
    yield "- [ ] After a week: every nightly and weekly job has run once, and nobody reads the old database."
    # No sooner than the first backups have gone round.
    days = max(7, plan.decisions.target.retention_days)
    yield f"- [ ] After {days} days or more, when nobody would go back: `pgcutover retire`. It keeps `{source.addon}`."
    yield f"- [ ] Then `heroku addons:destroy {source.addon} -a {source.billing_app}`: until then it is billed."
