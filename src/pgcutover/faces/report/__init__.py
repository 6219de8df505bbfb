"""The report: one self-contained HTML page about one run, to keep, to mail, to print.

Nothing outside is loaded, nothing is executed, no secret can be in it: it is made from a RunSummary, which has none.
"""

from pgcutover.faces.report.page import html

__all__ = ["html"]
