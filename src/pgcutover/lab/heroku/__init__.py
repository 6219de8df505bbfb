"""A local Heroku: Platform API and Data API on one loopback port, dynos that are real processes, a router, releases.

It must never be needed by a real migration. What it assumes about Heroku without proof stands in `rules.ASSUMPTIONS`.
"""
