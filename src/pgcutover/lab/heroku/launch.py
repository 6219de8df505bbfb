"""Become a dyno's command, after asking the kernel for death when the lab dies.

`python -I -S launch.py PARENT_PID COMMAND`: a program of its own because the wish must be made in the child, and Python
code between fork and exec of a program with threads may deadlock. It must import nothing of the project: a dyno starts
as fast as an interpreter does.
https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # The lab died before the wish was made, so nobody will ever end this process.
        sys.exit(1)
    os.execv("/bin/sh", ["sh", "-c", command])


if __name__ == "__main__":
    main()
