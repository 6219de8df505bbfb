"""A process that writes on its own, forever: the app's worker, and the stray writer that nobody thought of.

One unit of work is one transaction: something new, now and then a change to or the end of something of its own. A
database that is away is tried again and again. What was committed is promised; what failed is told.
"""

import random
import threading
import time
from collections.abc import Callable

import psycopg

from pgcutover.lab import orders
from pgcutover.lab.promises import Promises, Write

PAUSE_S = 0.25
RECONNECT_S = 0.5
KEPT = 30
"""How many entries of its own it keeps in mind; above that, the oldest is deleted with each unit of work."""


class Labourer:
    """`open_session` makes a new session; `work` may add statements to each unit."""

    def __init__(
        self,
        open_session: Callable[[], psycopg.Connection],
        promises: Promises,
        *,
        app: str,
        kind: str,
        pause_s: float = PAUSE_S,
        reconnect_s: float = RECONNECT_S,
        work: Callable[[psycopg.Connection, str], None] = lambda _connection, _token: None,
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._open, self._promises = open_session, promises
        self._app, self._kind = app, kind
        self._pause_s, self._reconnect_s = pause_s, reconnect_s
        self._work, self._say = work, say
        self._own: list[str] = []
        self._stopping = threading.Event()

    def stop(self) -> None:
        """The unit under way is finished; may be called from a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Until `stop`."""
        while not self._stopping.is_set():
            began = time.time()
            try:
                with self._open() as session:
                    self._say("connected")
                    while not self._stopping.is_set():
                        began = time.time()
                        self._unit(session)
                        self._stopping.wait(self._pause_s)
            except psycopg.Error as error:
                reason = " ".join(str(error).split())[:200]
                self._promises.failed(reason, began=began)
                self._say(f"database: {reason}")
                self._stopping.wait(self._reconnect_s)

    def _unit(self, session: psycopg.Connection) -> None:
        token = orders.new_token()
        doomed = self._own.pop(0) if len(self._own) > KEPT else None
        changed = random.choice(self._own) if self._own and random.random() < 0.5 else None
        if doomed is not None:
            # Out of mind for good: should the answer be lost, nobody knows whether it is still there.
            self._promises.intend_delete(doomed)
        done: list[Write | None] = []
        with session.transaction():
            done.append(orders.enter(session, token, app=self._app, kind=self._kind))
            self._work(session, token)
            if changed is not None:
                done.append(orders.change(session, changed))
            if doomed is not None:
                done.append(orders.cancel(session, doomed))
        self._promises.acknowledged(write for write in done if write is not None)
        self._own.append(token)
