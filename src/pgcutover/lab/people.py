"""acme's users: they place, change, cancel and look up orders through the router, about ten times a second.

`python -m pgcutover.lab.people URL LEDGER_DIRECTORY APP [REQUESTS_PER_S]`, or `People` as threads of another process.
Only what was answered with 201 is promised. They see what users see: maintenance pages, errors, silence until their
patience ends.
"""

import http.client
import json
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pgcutover.lab.orders import new_token
from pgcutover.lab.promises import Op, Promises, Write

REQUESTS_PER_S = 10.0
PERSONS = 4
"""More than one, so that a request nobody answers does not hide the others."""
PATIENCE_S = 5.0
KEPT = 25


class People:
    """Start once, stop once."""

    def __init__(self, url: str, ledger: Path, *, app: str, requests_per_s: float = REQUESTS_PER_S) -> None:
        place = urlsplit(url)
        self._host, self._port = place.hostname or "127.0.0.1", place.port or 80
        self._promises = Promises(ledger, writer=f"{app}.people", app=app)
        self._pause_s = PERSONS / requests_per_s
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._live, args=(number,), name=f"person {number}", daemon=True)
            for number in range(PERSONS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Requests under way are waited for."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._promises.close()

    def _live(self, number: int) -> None:
        # Not all at the same moment.
        self._stopping.wait(self._pause_s * number / PERSONS)
        own: list[str] = []
        while not self._stopping.is_set():
            began = time.monotonic()
            if own and random.random() < 0.3:
                self._look_up(random.choice(own))
            else:
                self._order(own)
            self._stopping.wait(max(0.0, self._pause_s - (time.monotonic() - began)))

    def _order(self, own: list[str]) -> None:
        wish = {"token": new_token()}
        if len(own) > KEPT:
            wish["delete"] = own.pop(0)
            self._promises.intend_delete(wish["delete"])
        if own and random.random() < 0.4:
            wish["update"] = random.choice(own)
        answer = self._ask("POST", "/orders", wish, wanted=201)
        if answer is not None:
            self._promises.acknowledged(
                Write(op=Op(write["op"]), token=write["token"], version=write["version"]) for write in answer["writes"]
            )
            own.append(wish["token"])

    def _look_up(self, token: str) -> None:
        if self._ask("GET", f"/orders/{token}", None, wanted=200) is not None:
            self._promises.answered()

    def _ask(self, method: str, path: str, body: dict[str, str] | None, *, wanted: int) -> dict[str, Any] | None:
        """The answer; None, and the failure told, when there was none or another status."""
        began = time.time()
        connection = http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body))
            response = connection.getresponse()
            text = response.read()
            if response.status == wanted:
                answer: dict[str, Any] = json.loads(text)
                return answer
            reason = f"{method} answered {response.status}"
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = f"{method} failed: {type(error).__name__}"
        finally:
            connection.close()
        self._promises.failed(reason, began=began)
        return None


def main(arguments: list[str]) -> int:
    if len(arguments) not in (3, 4):
        print("usage: people URL LEDGER_DIRECTORY APP [REQUESTS_PER_S]", file=sys.stderr)
        return 64
    requests_per_s = float(arguments[3]) if arguments[3:] else REQUESTS_PER_S
    people = People(arguments[0], Path(arguments[1]), app=arguments[2], requests_per_s=requests_per_s)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    people.start()
    ended.wait()
    people.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
