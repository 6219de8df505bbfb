"""What the terminal shows: plans, inventories, runs, errors, each as something that rich prints.

Nothing here prints, reads or decides. Every renderable must read well at 100 columns, without colour, in a file.
"""

from pgcutover.faces.render.back import code, destroyed, retired, returned, undo_plan
from pgcutover.faces.render.comparing import comparison
from pgcutover.faces.render.copying import copied
from pgcutover.faces.render.drill import drilled
from pgcutover.faces.render.first import written_config
from pgcutover.faces.render.host import host_gone, host_planned, host_state
from pgcutover.faces.render.inventory import inventory
from pgcutover.faces.render.plan import dry_run, plan_table
from pgcutover.faces.render.practice import demo, lab_status, ledger
from pgcutover.faces.render.probing import probe_cleaned, probe_proposal, probed
from pgcutover.faces.render.problem import error
from pgcutover.faces.render.rights import rights_needed
from pgcutover.faces.render.run import closing, status
from pgcutover.faces.render.tuning import tuned

__all__ = [
    "closing",
    "code",
    "comparison",
    "copied",
    "demo",
    "destroyed",
    "drilled",
    "dry_run",
    "error",
    "host_gone",
    "host_planned",
    "host_state",
    "inventory",
    "lab_status",
    "ledger",
    "plan_table",
    "probe_cleaned",
    "probe_proposal",
    "probed",
    "retired",
    "returned",
    "rights_needed",
    "status",
    "tuned",
    "undo_plan",
    "written_config",
]
