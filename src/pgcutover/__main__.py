"""python -m pgcutover, and the `pgcutover` command."""

from pgcutover.faces.cli import main

if __name__ == "__main__":
    main()
