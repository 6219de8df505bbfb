"""What to type next, for every state that a run can be in."""

from collections.abc import Mapping

from pgcutover.steps.history import Outcome, RunSummary


def next_steps(summary: RunSummary) -> tuple[str, ...]:
    """Commands and advice, most useful first."""
    if summary.at_work:
        return (f"{summary.at_work} is at work on it: let it end, or press Ctrl-C there",)
    env = f" --env {summary.environment}"
    steps: Mapping[Outcome, tuple[str, ...]] = {
        Outcome.PLANNED: (f"pgcutover prepare{env}", f"pgcutover migrate{env} (prepares too)"),
        Outcome.PREPARING: (f"pgcutover prepare{env} (goes on where it stopped)",),
        Outcome.PREPARED: (f"pgcutover migrate{env}", f"pgcutover rollback{env} (takes the preparation back)"),
        Outcome.MOVING: (
            f"pgcutover migrate{env} (goes on where it stopped)",
            f"pgcutover rollback{env} (opens the application on the old database)",
        ),
        Outcome.STOPPED: (
            f"pgcutover migrate{env} (goes on where it stopped)",
            f"pgcutover rollback{env} (opens the application on the old database)",
            "BREAK-GLASS.md (the same by hand)",
        ),
        Outcome.LIFTED: (f"pgcutover migrate{env} (does what is left)", f"pgcutover rollback{env}"),
        Outcome.MOVED: (
            f"pgcutover verify{env}",
            f"pgcutover report{env}",
            f"pgcutover retire{env} (when nobody wants to go back any more)",
            f"pgcutover rollback{env} (leaves rows written since the lift behind, exported)",
        ),
        Outcome.RETURNING: (f"pgcutover rollback{env} (goes on where it stopped)", "BREAK-GLASS.md"),
        Outcome.RETURNED: (
            f"pgcutover plan{env} (to try again; it will use a new database)",
            *_destroyable(summary, env),
        ),
        Outcome.RETIRED: ("nothing: destroy the old add-on when you are sure",),
        Outcome.REPLACED: (f"pgcutover plan{env}",),
    }
    drill = (f"pgcutover drill{env} (goes on, or begins anew)",) if summary.drilling and summary.run else ()
    return (*drill, *steps[summary.outcome])


def _destroyable(summary: RunSummary, env: str) -> tuple[str, ...]:
    target = summary.plan.decisions.target
    if target.existing or summary.destroyed:
        return ()
    return (f"pgcutover destroy{env} --target {target.instance} (when its rows are not needed)",)
