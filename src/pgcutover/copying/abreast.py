"""Independent acts in a few threads: what one raises ends them all.

It must not know what they do. Invariant: when it returns or raises, nothing runs any more.
"""

from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from typing import Any

from pgcutover.errors import PgcutoverError

AGAIN_S = 2.0


def abreast(acts: Iterable[Callable[[], None]], *, sessions: int, abandon: Callable[[], None]) -> None:
    """So many at once, in this order. `abandon` is called after the first error, until nothing runs any more, to end
    what is still at work on the servers.

    Raises:
        The first error of an act. Ctrl-C likewise.
    """
    with ThreadPoolExecutor(sessions, thread_name_prefix="abreast") as threads:
        running = {threads.submit(act) for act in acts}
        try:
            for future in as_completed(running):
                future.result()
        except BaseException as error:
            # Most acts are short: only what does not end by itself is ended.
            _, running = wait({future for future in running if not future.cancel()}, timeout=AGAIN_S)
            end_all(running, abandon, error, what="sessions")
            raise


def end_all(running: Collection[Future[Any]], abandon: Callable[[], None], error: BaseException, *, what: str) -> None:
    """End what still runs after the first error, and wait for it; its own errors are echoes of that one."""
    while running:
        try:
            abandon()
        except PgcutoverError as echo:
            error.add_note(f"ending the other {what} failed too: {echo.message}")
            wait(running)
        # Again: one that was just connecting was not there to be ended.
        _, running = wait(running, timeout=AGAIN_S)
