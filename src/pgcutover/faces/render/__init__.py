"""What the terminal shows: plans, inventories, runs, errors, each as something that rich prints.

Nothing here prints, reads or decides. Every renderable must read well at 100 columns, without colour, in a file.
"""

from pgcutover.faces.render.inventory import inventory
from pgcutover.faces.render.plan import dry_run, plan_table
from pgcutover.faces.render.problem import error
from pgcutover.faces.render.run import closing, comparison, status

__all__ = ["closing", "comparison", "dry_run", "error", "inventory", "plan_table", "status"]
