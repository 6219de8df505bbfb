"""What stands in the way of a plain copy: asked of both databases before anything is made in the target.

It must only read.
"""

from pgcutover.edges.copysource import CopySource, read_things
from pgcutover.edges.postgres import Server
from pgcutover.edges.runrecord import read_records
from pgcutover.errors import RefusedError, RightsError, TargetNotEmptyError
from pgcutover.facts.inventory import DatabaseInventory

NAMED = 5


def refuse_source(reading: CopySource, inventory: DatabaseInventory) -> None:
    """What the source does not show, or has too much of.

    Raises:
        RightsError, RefusedError: the message names the first few.
    """
    unreadable = reading.unreadable()
    if unreadable:
        named = "; ".join(f"{name}: {why}" for name, why in unreadable[:NAMED])
        more = f" and {len(unreadable) - NAMED} more" if len(unreadable) > NAMED else ""
        raise RightsError(
            f"source {reading.server.dsn}: not everything can be read: {named}{more}",
            hint="Nothing was touched. Log in as the owner, or GRANT what is missing; for row security, BYPASSRLS.",
        )
    stopping = [blocker for blocker in inventory.blockers if blocker.stops and not blocker.of_the_move]
    if stopping:
        what = "; ".join(blocker.what for blocker in stopping)
        raise RefusedError(f"source {reading.server.dsn}: {what}", hint=" ".join(b.hint for b in stopping))


def refuse_target(target: Server, inventory: DatabaseInventory, *, run_id: str) -> None:
    """A target that is older, lacks an extension, is part of a move, or holds what this copy did not make.

    Raises:
        RefusedError, TargetNotEmptyError: nothing was touched.
    """
    others = [record for record in read_records(target) if record.run_id != run_id]
    if others:
        raise RefusedError(
            f"target {target.dsn} belongs to {others[0]}",
            hint="Nothing was touched. Use another database; where that run is over, DROP SCHEMA pgcutover CASCADE.",
        )
    with target.session("look") as session:
        version = session.info.server_version
        extensions = dict(
            session.execute(
                "SELECT extname::text, nspname::text FROM pg_catalog.pg_extension AS e "
                "JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace"
            ).fetchall()
        )
        contents = [str(thing) for thing in read_things(session) if thing.kind != "schema"]
        objects = session.execute("SELECT count(*) FROM pg_catalog.pg_largeobject_metadata").fetchone()
        if objects and objects[0]:
            contents.append(f"{objects[0]} large objects")
        begun = bool(contents) and session.execute(
            "SELECT pg_catalog.to_regclass('pgcutover.definitions') IS NOT NULL"
        ).fetchone() == (True,)
        ours = begun and session.execute(
            "SELECT EXISTS (SELECT FROM pgcutover.definitions WHERE run_id = %s)", (run_id,)
        ).fetchone() == (True,)
    if contents and not ours:
        # Tables first: what stands on them says less.
        contents.sort(key=lambda name: not name.startswith("table "))
        more = f" and {len(contents) - NAMED} more" if len(contents) > NAMED else ""
        raise TargetNotEmptyError(
            f"the target already holds objects: {', '.join(contents[:NAMED])}{more}",
            hint="Nothing was touched. Give the copy an empty database; where one has ended here already, pgcutover "
            "verify compares both.",
        )
    refuse_older(target, inventory, version)
    _refuse_extensions(target, inventory, extensions)


def refuse_older(target: Server, inventory: DatabaseInventory, version: int) -> None:
    """Raises RefusedError: definitions of the source are not for this version."""
    if version // 10000 < inventory.major:
        raise RefusedError(
            f"target {target.dsn} is PostgreSQL {version // 10000}, older than the source's {inventory.major}",
            hint="Nothing was touched. Definitions only go upwards: use a target of the same major version or later.",
        )


def _refuse_extensions(target: Server, inventory: DatabaseInventory, there: dict[str, str]) -> None:
    missing = [e for e in inventory.extensions if e.name not in there]
    if missing:
        made = "; ".join(
            f'CREATE SCHEMA IF NOT EXISTS "{e.schema}"; CREATE EXTENSION "{e.name}" SCHEMA "{e.schema}"'
            for e in missing
        )
        raise RefusedError(
            f"target {target.dsn} lacks extensions of the source: {', '.join(e.name for e in missing)}",
            hint=f"Nothing was touched. As a role that may: {made}",
        )
    moved = [e for e in inventory.extensions if e.schema != there[e.name]]
    if moved:
        raise RefusedError(
            f"extension {moved[0].name} is in schema {there[moved[0].name]} on the target, and in {moved[0].schema} on "
            "the source",
            hint=f'Nothing was touched. ALTER EXTENSION "{moved[0].name}" SET SCHEMA "{moved[0].schema}", or make it '
            "anew there.",
        )
