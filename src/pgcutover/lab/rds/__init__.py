"""A local Amazon RDS: moto answers the API, real PostgreSQL servers stand behind the DB instances.

    RdsLab(layout, ca, speed=50).start() -> "http://127.0.0.1:PORT"       # AWS_ENDPOINT_URL

Creations, changes, reboots and snapshots take time (real minutes divided by `speed`); parameters are validated against
a real server's and applied to one; the master user is a member of rds_superuser and no superuser; clients must speak
TLS while rds.force_ssl is 1. EC2, STS and Secrets Manager are moto's own. Nothing outside the lab may import this.

Where it is not like RDS, apart from the assumptions: an endpoint is 127.0.0.1 and a port of its own, whatever Port was
asked for; security groups and subnets are recorded and keep nobody out; storage is never full; memory is a laptop's
(`laptop.py`), which GET /_lab/rds/instances tells; no major upgrade, no Aurora; `database.py` and `installation.py`
name what stock PostgreSQL cannot do. `control.py` is the lab's own door, for knobs, crashes and cut networks.
"""

from pgcutover.lab.rds.assumptions import ASSUMPTIONS
from pgcutover.lab.rds.keys import ADMIN_KEY, READ_ONLY_KEY, SECRET_KEY
from pgcutover.lab.rds.server import RdsLab

__all__ = ["ADMIN_KEY", "ASSUMPTIONS", "READ_ONLY_KEY", "SECRET_KEY", "RdsLab"]
