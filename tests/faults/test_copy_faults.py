"""A fault in the middle of a copy, then the same command again: "same", or a clear refusal; nothing is ever lost.

The sample strikes once with each of a few kinds; `--full` strikes with all of them at several moments.
"""

import pytest
from driver import Outcome, Result, Stage
from kinds import FAULTS
from shop import look

SAMPLE = (
    "kill -9 pgcutover amid pg_restore",
    "freeze and replace",
    "kill -9 target backend",
    "reset amid target bytes",
    "target disk full",
    "TRUNCATE on source",
)
SEEDS_IN_FULL = 3
BY_NAME = {fault.name: fault for fault in FAULTS}


def strike(disturbed: Stage, results: list[Result], name: str, seed: int) -> None:
    fault = BY_NAME[name]
    if name == "target disk full" and disturbed.target.disk is None:
        pytest.skip("this user may not mount a small file system")
    result = disturbed.run(fault, seed)
    results.append(result)
    # Whoever changes an unfenced source in the middle is to be told so, unless it was before anything was looked at.
    allowed = {Outcome.SURVIVED, Outcome.REFUSED} if fault.may_refuse else {Outcome.SURVIVED}
    assert result.outcome in allowed, f"{result}\n" + "\n---\n".join(t.said[-3000:] for t in result.attempts)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_fault_amid_the_copy_loses_nothing(disturbed: Stage, results: list[Result], name: str) -> None:
    """After the fault the same command ends with "same", and both databases hold the same; or it says why not."""
    strike(disturbed, results, name, seed=0)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(1, 1 + SEEDS_IN_FULL))
@pytest.mark.parametrize("name", [fault.name for fault in FAULTS])
def test_every_fault_at_several_moments_loses_nothing(
    disturbed: Stage, results: list[Result], name: str, seed: int
) -> None:
    """The same for every kind, at moments drawn from a seed."""
    strike(disturbed, results, name, seed)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE shop.heap SET b = 'x' WHERE ctid = '(0,1)'",
        "DELETE FROM shop.cache WHERE k = '7'",
        "INSERT INTO shop.heap SELECT * FROM shop.heap LIMIT 1",
        "DROP INDEX shop.big_body",
        "REVOKE SELECT ON shop.users FROM shop_reader",
        "ALTER TABLE shop.items ENABLE TRIGGER noted",
        "SELECT nextval('shop.tickets')",
    ],
)
def test_the_judge_sees_what_is_wrong(disturbed: Stage, damage: str) -> None:
    """A row changed, lost or doubled, an index, right, trigger or sequence otherwise: the judge calls it different."""
    side = disturbed.source
    with disturbed.databases() as database:
        before = look(side.cluster, database)
        assert [] == before.differences(look(side.cluster, database))
        side.sql(database, damage)
        assert [] != before.differences(look(side.cluster, database))
