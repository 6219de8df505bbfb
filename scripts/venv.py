"""Where the virtual environment is, and how it is made; needs nothing but Python's standard library.

    python3 scripts/venv.py where     prints the directory
    python3 scripts/venv.py make      makes it (again is harmless) and prints the directory

It is `.venv` in the repository, with one exception. PostgreSQL refuses to run as root, so when root works here the
lab's servers run as an unprivileged user, who must be able to enter the directory that holds their programs: the
virtual environment. Where that user cannot enter the repository (a checkout under /root, say), the environment is made
under $XDG_CACHE_HOME or /var/tmp, and `.venv` is a link to it. `pgcutover.lab.clusters` asks the same question of the
same user, and a test holds the two together.
"""

import hashlib
import importlib.util
import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

OLDEST = (3, 11)
UNPRIVILEGED = ("postgres", "nobody")
"""As in pgcutover.lab.clusters, which cannot be imported before the environment is there."""
REPOSITORY = Path(__file__).resolve().parent.parent


def servers_user():
    """The user that the lab's servers run as; None when that is oneself."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next((known[name] for name in UNPRIVILEGED if name in known), None)


def may_enter(directory):
    """Whether the servers' user can enter a directory, parents included."""
    user = servers_user()
    if user is None:
        return True
    done = subprocess.run(
        ["/bin/sh", "-c", 'cd "$0"', str(directory)],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        cwd="/",
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode == 0


def where(repository=REPOSITORY):
    """The directory of the virtual environment."""
    if may_enter(repository):
        return repository / ".venv"
    name = f"pgcutover-venv-{hashlib.sha256(os.fsencode(repository)).hexdigest()[:12]}"
    # What lies in /var/tmp survives a restart; `_take` sees to it that it is ours.
    places = [Path(place) for place in (os.environ.get("XDG_CACHE_HOME"), "/var/tmp") if place]  # noqa: S108
    for place in places:
        if place.is_dir() and may_enter(place):
            return place / name
    sys.exit(f"no directory that {servers_user().pw_name} can enter: tried {', '.join(map(str, places))}")


def make(repository=REPOSITORY):
    """Make the virtual environment; one that is there already stays."""
    if sys.version_info < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        sys.exit(
            f"Python {wanted} or later is needed, this is {sys.version.split()[0]}: run make PYTHON=python{wanted}"
        )
    directory = where(repository)
    if directory.parent != repository:
        _take(directory)
    if not (directory / "bin" / "pip").exists():
        _make_with_venv(directory) if importlib.util.find_spec("ensurepip") else _make_with_virtualenv(directory)
    link = repository / ".venv"
    if directory != link and not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(directory)
    return directory


def _take(directory):
    """Own a directory whose name anybody could have guessed, in a place where anybody may write."""
    directory.mkdir(mode=0o755, exist_ok=True)
    found = directory.lstat()
    if directory.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        sys.exit(f"{directory} belongs to somebody else: remove it, then run this again")
    # Under a strict umask the servers' user could not enter what was just made for it.
    directory.chmod(0o755)


def _make_with_venv(directory):
    subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)


def _make_with_virtualenv(directory):
    """Debian keeps ensurepip in python3-venv; where pip alone is there, virtualenv does the same."""
    with tempfile.TemporaryDirectory() as borrowed:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", borrowed, "virtualenv"]
        got = importlib.util.find_spec("pip") and subprocess.run(pip, check=False).returncode == 0
        if not got:
            sys.exit("Python's venv is not complete here. On Debian and Ubuntu: apt-get install python3-venv")
        environment = {**os.environ, "PYTHONPATH": borrowed}
        subprocess.run([sys.executable, "-m", "virtualenv", "--quiet", str(directory)], check=True, env=environment)


if __name__ == "__main__":
    asked = sys.argv[1:]
    if asked not in (["where"], ["make"]):
        sys.exit(__doc__)
    sys.stdout.write(f"{make() if asked == ['make'] else where()}\n")
