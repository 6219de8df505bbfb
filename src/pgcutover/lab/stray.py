"""The writer that nobody thought of: it has a copied URL of its own and takes every known way around read-only.

`STRAY_DATABASE_URL=… python -m pgcutover.lab.stray LEDGER_DIRECTORY JUDGED_IN`: writes to the database of that URL
forever, reconnects forever, and promises what was acknowledged, as the app `stray`. JUDGED_IN is the app in whose
database those writes must be found later. The URL comes by the environment, for it holds a password.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg

from pgcutover.lab import orders
from pgcutover.lab.labourer import Labourer
from pgcutover.lab.promises import Promises

URL_VARIABLE = "STRAY_DATABASE_URL"
APP = "stray"
PAUSE_S = 0.1
RECONNECT_S = 0.1


def open_session(url: str) -> psycopg.Connection:
    """A session that may write whatever the database's or the role's default says."""
    session = orders.connect(url, name="nightly-export", options="-c default_transaction_read_only=off")
    session.execute("SET default_transaction_read_only = off")
    # Each transaction begins with BEGIN READ WRITE.
    session.read_only = False
    return session


def start(url: str, ledger: Path, *, judged_in: str) -> "subprocess.Popen[bytes]":
    """As a process of its own; SIGTERM ends it. Its output is thrown away."""
    return subprocess.Popen(
        [sys.executable, "-m", "pgcutover.lab.stray", str(ledger), judged_in],
        env={**os.environ, URL_VARIABLE: url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def main(arguments: list[str]) -> int:
    url = os.environ.get(URL_VARIABLE)
    if len(arguments) != 2 or not url:
        print(f"usage: {URL_VARIABLE}=… stray LEDGER_DIRECTORY JUDGED_IN", file=sys.stderr)
        return 64
    promises = Promises(Path(arguments[0]), writer=APP, app=APP, judged_in=arguments[1])
    labourer = Labourer(
        lambda: open_session(url), promises, app=APP, kind="stray", pause_s=PAUSE_S, reconnect_s=RECONNECT_S
    )
    signal.signal(signal.SIGTERM, lambda _number, _frame: labourer.stop())
    labourer.run()
    promises.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
