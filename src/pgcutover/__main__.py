"""python -m pgcutover, and the `pgcutover` command."""

import sys
from typing import NoReturn

from pgcutover.errors import PgcutoverError


def main() -> NoReturn:
    """Run the command line; an installation that cannot even start it says so, and never ends like a verdict."""
    try:
        from pgcutover.faces.cli import main as run
    except Exception as broken:  # noqa: BLE001  (whatever it is: nothing was touched, and it must not look like a verdict)
        print(f"error: pgcutover cannot start: {type(broken).__name__}: {broken}", file=sys.stderr)  # noqa: T201
        print("hint: Install it again in a fresh environment: nothing was touched.", file=sys.stderr)  # noqa: T201
        # 1, with which Python ends by itself, is a verdict of `verify`.
        sys.exit(PgcutoverError.exit_code)
    run()


if __name__ == "__main__":
    main()
