"""The composition root: use cases that join steps to edges. The only place that knows both.

It takes no decision about a migration: rules live in planning, changes in steps, foreign systems in edges.
"""
