"""Independent acts in a few threads: what one raises ends them all.

It must not know what they do. Invariant: when it returns or raises, nothing runs any more.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait

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
            _give_up({future for future in running if not future.cancel()}, abandon, error)
            raise


def _give_up(running: set[Future[None]], abandon: Callable[[], None], error: BaseException) -> None:
    """End what runs; its errors are echoes of the first one."""
    # Most acts are short: only what does not end by itself is ended.
    _, running = wait(running, timeout=AGAIN_S)
    while running:
        try:
            abandon()
        except PgcutoverError as echo:
            error.add_note(f"ending the other sessions failed too: {echo.message}")
            wait(running)
        _, running = wait(running, timeout=AGAIN_S)
