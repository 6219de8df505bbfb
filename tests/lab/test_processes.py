"""Processes are known by pid and start, so that only our own are ever ended."""

import os
import subprocess
import sys
from pathlib import Path

from pgcutover.lab import processes

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)",
]


def test_a_recorded_process_is_found_until_it_ends(tmp_path: Path) -> None:
    """A pid file names its process while that lives; a zombie counts as gone."""
    with subprocess.Popen(SLEEP) as child:
        processes.record(tmp_path, "child", child.pid)
        assert {"child": processes.process(child.pid)} == processes.recorded(tmp_path)
        assert child.pid in {one.pid for one in processes.children(os.getpid())}
        processes.end(processes.recorded(tmp_path).values(), grace_s=5)
        assert {} == processes.recorded(tmp_path)
    processes.forget(tmp_path, "child")
    assert [] == list(tmp_path.iterdir())


def test_a_pid_given_to_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """A pid whose process started at another moment is not the recorded one, and is never signalled."""
    with subprocess.Popen(SLEEP) as child:
        found = processes.process(child.pid)
        assert found is not None
        other = processes.Process(pid=child.pid, started_ticks=found.started_ticks - 1)
        processes.end([other], grace_s=0.1)
        assert found.alive
        (tmp_path / "child.pid").write_text(f"{child.pid} {found.started_ticks - 1} {os.getsid(0)}\n")
        assert {} == processes.recorded(tmp_path)
        assert () == processes.orphans(tmp_path)
        child.kill()


def test_one_that_ignores_the_polite_signal_is_killed() -> None:
    """After the grace, SIGKILL; the call returns when the process is gone."""
    with subprocess.Popen(STUBBORN, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        found = processes.process(child.pid)
        assert found is not None
        processes.end([found], grace_s=0.2)
        assert not found.alive


def test_files_that_name_nothing(tmp_path: Path) -> None:
    """An absent, empty or foreign pid file names no process."""
    (tmp_path / "empty.pid").write_text("")
    (tmp_path / "words.pid").write_text("not a pid\n")
    assert processes.read(tmp_path / "absent.pid") is None
    assert {} == processes.recorded(tmp_path)


def test_a_child_dies_with_the_thread_that_made_it() -> None:
    """A child that asked for it is killed by the kernel when its parent is."""
    script = (
        "import os, subprocess, sys, time\n"
        "from pgcutover.lab import processes\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
        " preexec_fn=processes.die_with_parent)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        grandchild = processes.process(int(parent.stdout.readline()))
        assert grandchild is not None
        parent.kill()
        assert processes.wait_gone([grandchild], limit_s=30)


def test_the_rest_of_a_dead_leader_s_group_is_found(tmp_path: Path) -> None:
    """When the recorded leader of a group dies alone, its group's other members are found, and nobody else."""
    script = (
        "import subprocess, sys, time\n"
        "member = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(member.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, process_group=0) as leader:
        assert leader.stdout is not None
        member = processes.process(int(leader.stdout.readline()))
        processes.record(tmp_path, "leader", leader.pid)
        assert () == processes.orphans(tmp_path)
        leader.kill()
        leader.wait()
        assert (member,) == processes.orphans(tmp_path)
        processes.end(processes.orphans(tmp_path), grace_s=5)
        assert () == processes.orphans(tmp_path)
