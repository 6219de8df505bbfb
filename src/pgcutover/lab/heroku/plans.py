"""Heroku Postgres plans and their monthly prices, as `GET /addon-services/heroku-postgresql/plans` lists them.

Prices: elements.heroku.com/addons/heroku-postgresql as quoted in October 2026; a migration must read them from the API
and never from a table of its own (ASSUMPTIONS H4). Limits:
https://devcenter.heroku.com/articles/heroku-postgres-production-tier-technical-characterization
"""

from dataclasses import dataclass

SERVICE = "heroku-postgresql"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`name` is without the service's prefix."""

    name: str
    usd_per_month: int
    disk_bytes: int
    connections: int

    @property
    def full_name(self) -> str:
        return f"{SERVICE}:{self.name}"

    @property
    def human_name(self) -> str:
        return self.name.replace("-", " ").title()


GIB = 1024**3
_STANDARD = {0: 50, 2: 200, 3: 400, 4: 750, 5: 1400, 6: 2000, 7: 3500}
_PREMIUM = {0: 200, 2: 350, 3: 750, 4: 1200, 5: 2500, 6: 3500, 7: 6000}
_DISK_GIB = {0: 64, 2: 256, 3: 512, 4: 768, 5: 1024, 6: 1536, 7: 2048}
_CONNECTIONS = {0: 120, 2: 400}
_ESSENTIAL = {0: (5, 1, 20), 1: (9, 10, 20), 2: (20, 32, 40)}

PLANS = (
    *(
        Plan(name=f"essential-{n}", usd_per_month=usd, disk_bytes=gib * GIB, connections=connections)
        for n, (usd, gib, connections) in _ESSENTIAL.items()
    ),
    *(
        Plan(
            name=f"{tier}-{n}",
            usd_per_month=usd,
            disk_bytes=_DISK_GIB[n] * GIB,
            connections=_CONNECTIONS.get(n, 500),
        )
        for tier, prices in (("standard", _STANDARD), ("premium", _PREMIUM))
        for n, usd in prices.items()
    ),
)
BY_NAME = {plan.full_name: plan for plan in PLANS}


def plan(name: str) -> Plan:
    """By name, with or without the service's prefix.

    Raises:
        KeyError: there is no such plan.
    """
    return BY_NAME[name if ":" in name else f"{SERVICE}:{name}"]
