"""The formula language, what a laptop affords, and what counts without a reboot: pure functions."""

import pytest

from pgcutover.lab.rds import formulas, laptop, parameters
from pgcutover.lab.rds.classes import CLASSES

GIB = 2**30
VARIABLES = {
    "DBInstanceClassMemory": 16 * GIB,
    "DBInstanceVCPU": 4,
    "AllocatedStorage": 400 * GIB,
    "EndPointPort": 5432,
}


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("{DBInstanceClassMemory/32768}", 16 * GIB // 32768),
        ("LEAST({DBInstanceClassMemory/9531392},5000)", 1802),
        ("GREATEST({DBInstanceClassMemory*1024/63963136},65536)", 275036),
        ("GREATEST({log(DBInstanceClassMemory/21474836480)*600},200)", 200),
        ("SUM({DBInstanceVCPU*2}, 3)", 11),
        ("GREATEST({DBInstanceVCPU/2},LEAST(9,7))", 7),
        ("-1", -1),
    ],
)
def test_a_formula_is_evaluated_as_rds_documents_it(formula: str, value: int) -> None:
    """Division truncates, functions nest, and log is to the base 2."""
    assert value == formulas.evaluate(formula, VARIABLES)


@pytest.mark.parametrize(
    "text", ["{Memory/2}", "{DBInstanceVCPU", "MAX(1,2)", "{DBInstanceVCPU/0}", "1 2", "", "{2+2}"]
)
def test_what_is_no_formula_is_refused(text: str) -> None:
    """An unknown name, an open brace, an unknown operator or nothing at all is an error, never a number."""
    with pytest.raises(formulas.FormulaError):
        formulas.evaluate(text, VARIABLES)


def test_class_memory_is_less_than_the_memory() -> None:
    """A 1 GiB class leaves 73 % to the formulas and every class from 16 GiB on 96 %."""
    micro, large = CLASSES["db.t4g.micro"], CLASSES["db.r7g.large"]
    assert (0.73, 0.96) == (round(micro.usable_memory_bytes / GIB, 2), round(large.usable_memory_bytes / GIB / 16, 2))


def test_the_machine_limits_what_a_server_takes_at_start_and_says_so() -> None:
    """shared_buffers and unknown libraries are cut and reported; a limit reached only by need stays as asked."""
    wanted = {"shared_buffers": "3000000", "maintenance_work_mem": "4000000", "shared_preload_libraries": "pg_cron"}
    settings, changed = laptop.fitted(wanted, frozenset({"vector"}))
    assert {"shared_buffers": "16384", "maintenance_work_mem": "4000000", "shared_preload_libraries": ""} == settings
    assert {"shared_buffers": "3000000", "shared_preload_libraries": "pg_cron"} == changed


def test_what_waits_for_a_reboot_keeps_its_old_value() -> None:
    """Of values asked for with the method pending-reboot the old ones stay, also when there was none."""
    now, held = parameters.in_force(
        {"work_mem": "2", "jit": "on", "a": "9"}, {"work_mem": "1", "a": "9"}, frozenset({"work_mem", "jit", "a"})
    )
    assert ({"work_mem": "1", "a": "9"}, True) == (now, held)
