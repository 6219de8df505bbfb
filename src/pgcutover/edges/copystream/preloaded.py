"""Loaded by the process that workers are forked off, and by nobody else: everything that a worker needs, once.

What is loaded now is for good, so the collector need not look at it: where it looked, each worker would get a copy of
its own of what all of them share. https://docs.python.org/3/library/gc.html#gc.freeze
"""

import gc

from pgcutover.edges import copystream

__all__ = ["copystream"]

gc.collect()
gc.freeze()
