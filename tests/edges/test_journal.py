"""The journal's file: durable, append-only, chained, private, one writer; and its way to another machine."""

import json
import multiprocessing
import os
import pwd
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path
from types import MappingProxyType

import pytest

from pgcutover.edges.journal import SqliteJournal
from pgcutover.edges.journal.lock import writer_at_work
from pgcutover.errors import JournalError, RunnerConflictError
from pgcutover.running.state import Move, StepState
from pgcutover.running.step import Finding, Json, Verdict

RUN = "run-1"
WRITER = Path(__file__).with_name("journal_writer.py")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    with SqliteJournal(path) as opened:
        opened.open_run(RUN, "digest", {"steps": ["fence"]}, "ada")
        yield opened


def written(path: Path) -> None:
    """A closed journal of four entries."""
    with SqliteJournal(path) as journal:
        journal.open_run(RUN, "digest", {"steps": ["fence"]}, "ada")
        journal.append(RUN, "fence", Move.BEGIN, before={"formation": {"web": 2}})
        journal.append(RUN, "fence", Move.FINISH)
        journal.note(RUN, "confirmed", {"by": ["ada", "grace"]})


def by_hand(path: Path, *statements: str) -> None:
    """What somebody with the sqlite3 shell can do, the triggers dropped first."""
    connection = sqlite3.connect(path)
    try:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    finally:
        connection.close()


@contextmanager
def without_roots_rights() -> Iterator[None]:
    """Root may write everywhere, so a test of rights run as root acts as nobody meanwhile."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(me)


class TestWhatIsWritten:
    def test_events_come_back_as_they_were_appended(self, journal: SqliteJournal) -> None:
        """Every part of an event is read back equal, in order, with state, attempt, process and aware UTC time."""
        finding = Finding(verdict=Verdict.PARTIAL, detail="one of two", evidence={"left": [1, 2.5, None, "é\ud800"]})
        began = journal.append(RUN, "fence", Move.BEGIN, before={"web": 2, "nested": {"b": 1, "a": True}})
        failed = journal.append(RUN, "fence", Move.FAIL, finding=finding, error="it leaks")
        again = journal.append(RUN, "fence", Move.BEGIN, before={"web": 2})
        assert (began, failed, again) == journal.events(RUN)
        assert (StepState.FAILED, finding, "it leaks", 1) == (
            failed.state,
            failed.finding,
            failed.error,
            failed.attempt,
        )
        assert ({"web": 2, "nested": {"b": 1, "a": True}}, 2, os.getpid()) == (began.before, again.attempt, again.pid)
        assert UTC is began.at.tzinfo

    def test_read_only_mappings_and_tuples_are_written_as_plain_json(self, journal: SqliteJournal) -> None:
        """What a frozen value holds, at any depth, is read back as dicts and lists."""
        before: dict[str, Json] = {"roles": MappingProxyType({"app": ("read", MappingProxyType({"write": False}))})}
        event = journal.append(RUN, "fence", Move.BEGIN, before=MappingProxyType(before))
        assert {"roles": {"app": ["read", {"write": False}]}} == event.before

    def test_runs_keep_their_plan_their_people_and_their_outcome(self, journal: SqliteJournal) -> None:
        """A run is read back with plan and digest; it is open until it is closed with an outcome."""
        journal.open_run("run-2", "other", {"steps": []}, "grace")
        journal.close_run(RUN, "rolled back")
        first, second = journal.runs()
        assert (RUN, "digest", {"steps": ["fence"]}, "ada") == (first.run, first.plan_digest, first.plan, first.by)
        assert ("rolled back", False, True) == (first.outcome, first.is_open, second.is_open)
        assert first.closed_at is not None
        assert first.opened_at <= first.closed_at

    def test_notes_are_read_by_run_and_kind(self, journal: SqliteJournal) -> None:
        """A note has a kind and a JSON payload, and belongs to its run only."""
        journal.open_run("run-2", "other", {}, "grace")
        journal.note(RUN, "confirmed", {"by": ["ada", "grace"]})
        journal.note(RUN, "override", "size")
        assert ["confirmed", "override"] == [note.kind for note in journal.notes(RUN)]
        assert [{"by": ["ada", "grace"]}] == [note.payload for note in journal.notes(RUN, "confirmed")]
        assert () == journal.notes("run-2")

    def test_steps_of_one_name_in_two_runs_do_not_touch(self, journal: SqliteJournal) -> None:
        """Each run has its own history of each step."""
        journal.open_run("run-2", "other", {}, "grace")
        journal.append(RUN, "fence", Move.BEGIN, before={})
        assert 1 == journal.append("run-2", "fence", Move.BEGIN, before={}).attempt
        assert (1, 1) == (len(journal.events(RUN)), len(journal.events("run-2")))

    def test_times_are_utc_whatever_the_clock_says(self, path: Path) -> None:
        """A clock of another zone is written as the same instant in UTC."""
        noon_in_delhi = datetime.fromisoformat("2024-05-01T17:30:00+05:30")
        with SqliteJournal(path, clock=lambda: noon_in_delhi) as journal:
            run = journal.open_run(RUN, "digest", {}, "ada")
        assert "2024-05-01T12:00:00+00:00" == run.opened_at.isoformat()

    def test_each_commit_is_synced(self, journal: SqliteJournal) -> None:
        """The file is in WAL mode and synchronous is FULL, which syncs the log at every commit."""
        settings = [journal._sql.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
        assert ["wal", 2] == settings


class TestWhatIsRefused:
    def test_an_illegal_move_is_refused_and_not_written(self, journal: SqliteJournal) -> None:
        """A move that the table lacks raises at the append, before anything could be done."""
        with pytest.raises(JournalError, match="step fence is waiting, and finish is not a legal move"):
            journal.append(RUN, "fence", Move.FINISH)
        assert () == journal.events(RUN)

    def test_what_is_not_json_is_refused_and_not_written(self, journal: SqliteJournal) -> None:
        """A value that could not be read back, such as a time, bytes or a NaN, is not written."""
        values: list[Json] = [datetime.now(UTC), b"raw", float("nan")]  # type: ignore[list-item]
        for value in values:
            with pytest.raises(JournalError, match="is not JSON"):
                journal.append(RUN, "fence", Move.BEGIN, before={"at": value})
        assert () == journal.events(RUN)

    def test_a_closed_run_takes_no_more_events(self, journal: SqliteJournal) -> None:
        """After its outcome a run has no more moves, and no second outcome; notes are still taken."""
        journal.close_run(RUN, "retired")
        with pytest.raises(JournalError, match="run run-1 is closed"):
            journal.append(RUN, "fence", Move.BEGIN, before={})
        with pytest.raises(JournalError, match="run run-1 is closed"):
            journal.close_run(RUN, "rolled back")
        assert "seen" == journal.note(RUN, "report", "seen").payload

    def test_a_run_is_opened_once_and_named_right(self, journal: SqliteJournal) -> None:
        """Opening a run twice, or asking for one that was never opened, is an error."""
        with pytest.raises(JournalError, match="run run-1 is already in the journal"):
            journal.open_run(RUN, "digest", {}, "ada")
        for call in (journal.events, journal.notes, lambda run: journal.close_run(run, "done")):
            with pytest.raises(JournalError, match="run nonsense is not in the journal"):
                call("nonsense")

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE entry SET body = '{}' WHERE seq = 1",
            "DELETE FROM entry WHERE seq = 1",
            "INSERT OR REPLACE INTO entry SELECT seq, at, run, kind, step, '{}', host, pid, previous, hash FROM entry",
            "INSERT INTO entry SELECT seq + 5, at, run, kind, step, body, host, pid, hash, hash FROM entry",
            "INSERT INTO entry SELECT seq + 1, at, run, kind, step, body, host, pid, 'other', hash FROM entry",
        ],
    )
    def test_the_file_itself_is_append_only(self, journal: SqliteJournal, path: Path, statement: str) -> None:
        """No statement changes, removes, replaces or slips in an entry: the file refuses."""
        connection = sqlite3.connect(path)
        try:
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)
        finally:
            connection.close()
        assert 1 == len(journal.runs())

    def test_a_reader_cannot_write(self, path: Path) -> None:
        """What was opened for reading takes no event, and its connection no statement."""
        written(path)
        with SqliteJournal(path, read_only=True) as reader:
            with pytest.raises(JournalError, match="is not open for writing"):
                reader.append(RUN, "fence", Move.BEGIN_UNDO)
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                reader._sql.execute("DROP TABLE entry")

    def test_a_closed_journal_says_so(self, path: Path) -> None:
        """After close, reading and writing raise, and closing again is harmless."""
        journal = SqliteJournal(path)
        journal.close()
        journal.close()
        with pytest.raises(JournalError, match="is closed"):
            journal.runs()


class TestPrivacy:
    def test_every_file_is_its_owners_alone_while_open_and_after(self, path: Path, tmp_path: Path) -> None:
        """Journal, WAL, shared memory, lock and export are 0600, the new directory 0700, under a lenient umask."""
        before = os.umask(0)
        try:
            with SqliteJournal(path) as journal:
                journal.open_run(RUN, "digest", {}, "ada")
                names = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
                journal.export(tmp_path / "export.json")
        finally:
            os.umask(before)
        suffixes = ("", "-wal", "-shm", ".lock")
        assert {f"journal.db{suffix}": 0o600 for suffix in suffixes} == names
        assert (0o700, 0o600) == (
            path.parent.stat().st_mode & 0o777,
            (tmp_path / "export.json").stat().st_mode & 0o777,
        )

    def test_a_journal_that_others_may_read_is_taken_from_them(self, path: Path) -> None:
        """A file copied with lenient rights is 0600 again once a writer has opened it."""
        written(path)
        path.chmod(0o644)
        SqliteJournal(path).close()
        assert 0o600 == path.stat().st_mode & 0o777


class TestDamage:
    @pytest.mark.parametrize(
        ("statement", "entry"),
        [
            ("UPDATE entry SET body = replace(body, 'grace', 'mallory')", 4),
            ("UPDATE entry SET at = '2020-01-01T00:00:00+00:00' WHERE seq = 2", 2),
            ("UPDATE entry SET step = 'lift' WHERE seq = 2", 2),
            ("DELETE FROM entry WHERE seq = 3", 3),
            ("UPDATE entry SET seq = 9 WHERE seq = 4", 4),
        ],
    )
    @pytest.mark.parametrize("read_only", [False, True])
    def test_an_entry_changed_or_lost_is_noticed(self, path: Path, statement: str, entry: int, read_only: bool) -> None:
        """Whoever opens the journal next is told which entry is not as it was written."""
        written(path)
        by_hand(path, statement)
        with pytest.raises(JournalError, match=f"entry {entry} of .* is not as it was written"):
            SqliteJournal(path, read_only=read_only)

    def test_an_end_cut_off_is_noticed_by_the_next_writer(self, path: Path) -> None:
        """The chain of what is left is sound, but the lock file knows of more."""
        written(path)
        by_hand(path, "DELETE FROM entry WHERE seq > 2")
        with pytest.raises(JournalError, match="it has 2, and entry 4 was the last") as caught:
            SqliteJournal(path)
        assert "journal.db.lock" in caught.value.hint

    def test_a_torn_file_is_noticed(self, path: Path) -> None:
        """Bytes lost in the middle of the file give a clear error, not a history with a gap."""
        written(path)
        content = path.read_bytes()
        path.write_bytes(content[:4096] + b"\0" * 4096 + content[8192:])
        with pytest.raises(JournalError):
            SqliteJournal(path)

    def test_a_history_that_no_runner_could_have_written_is_noticed(self, path: Path) -> None:
        """Even with sound hashes, an event whose state the table does not lead to is refused."""
        written(path)
        with SqliteJournal(path, read_only=True) as journal:
            forged = journal._entries("WHERE seq = 2")[0]
        forged = forged.model_copy(update={"body": forged.body.replace('"doing"', '"done"')})
        by_hand(
            path,
            "DELETE FROM entry WHERE seq > 2",
            f"UPDATE entry SET body = '{forged.body}', hash = '{forged.computed_hash()}' WHERE seq = 2",
        )
        with pytest.raises(JournalError, match=r"entry 2 of .* is not as it was written"):
            SqliteJournal(path, read_only=True)

    def test_what_is_no_journal_is_left_alone(self, path: Path) -> None:
        """A text file and somebody else's database are refused, and not changed by a byte."""
        path.parent.mkdir()
        path.write_text("version = 1\n" * 100)
        with pytest.raises(JournalError, match="not a journal"):
            SqliteJournal(path)
        assert "version = 1\n" * 100 == path.read_text()
        path.unlink()
        by_hand(path, "CREATE TABLE theirs (a int)")
        content = path.read_bytes()
        for read_only in (False, True):
            with pytest.raises(JournalError, match="not a journal"):
                SqliteJournal(path, read_only=read_only)
        assert content == path.read_bytes()

    def test_a_journal_of_another_version_is_refused(self, path: Path) -> None:
        """A journal that a newer pgcutover wrote is not gone on with by this one."""
        written(path)
        by_hand(path, "PRAGMA user_version = 2")
        with pytest.raises(JournalError, match="version 2, and this program writes version 1"):
            SqliteJournal(path)

    def test_a_missing_journal_is_not_made_by_a_reader(self, path: Path) -> None:
        """Asking for the status in the wrong directory says so, and leaves nothing behind."""
        with pytest.raises(JournalError, match="there is no journal at"):
            SqliteJournal(path, read_only=True)
        assert not path.parent.exists()

    def test_a_death_between_making_the_file_and_its_table_is_no_harm(self, path: Path) -> None:
        """An empty file is told of as empty to a reader, and taken on by the next writer."""
        path.parent.mkdir()
        path.touch()
        with pytest.raises(JournalError, match="holds nothing yet"):
            SqliteJournal(path, read_only=True)
        with SqliteJournal(path) as journal:
            assert () == journal.runs()


class TestDisk:
    def test_a_full_disk_is_told_and_the_journal_goes_on_when_there_is_space(self, journal: SqliteJournal) -> None:
        """SQLITE_FULL becomes a clear error; nothing of the entry is left, and the next append succeeds."""
        (pages,) = journal._sql.execute("PRAGMA page_count").fetchone()
        journal._sql.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(JournalError, match="the disk is full") as caught:
            journal.append(RUN, "fence", Move.BEGIN, before={"filler": "x" * 20_000})
        assert "Free some space" in caught.value.hint
        journal._sql.execute("PRAGMA max_page_count = 100000")
        assert 2 == journal.append(RUN, "fence", Move.BEGIN, before={"filler": "x" * 20_000}).seq

    def test_a_disk_that_refuses_is_told(self, path: Path) -> None:
        """A write that the operating system refuses (here: a file size limit) becomes a clear error, exit code 73."""
        written(path)
        script = (
            "import resource, sys; from pathlib import Path; from pgcutover.edges.journal import SqliteJournal\n"
            "from pgcutover.errors import JournalError\n"
            "journal = SqliteJournal(Path(sys.argv[1]))\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
            "try: journal.note('run-1', 'filler', 'x' * 100_000)\n"
            "except JournalError as error: print(error.message, journal.notes('run-1', 'filler')); sys.exit(73)\n"
        )
        assert resource.RLIM_INFINITY == resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)
        assert (73, "") == (done.returncode, done.stderr)
        assert "cannot be used: the disk refused ()" in done.stdout

    def test_a_directory_that_cannot_be_made_is_told(self, tmp_path: Path) -> None:
        """Where a file stands in the way of the journal's directory, the error names the journal."""
        (tmp_path / "state").touch()
        with pytest.raises(JournalError, match=r"the journal .*journal\.db cannot be used"):
            SqliteJournal(tmp_path / "state" / "journal.db")

    def test_a_file_that_may_not_be_written_is_told(self) -> None:
        """Without the right to write there, the error says so."""
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "journal.db"
            written(path)
            path.with_name("journal.db.lock").unlink()
            path.parent.chmod(0o555)
            with without_roots_rights(), pytest.raises(JournalError, match="may not be written") as caught:
                SqliteJournal(path)
            assert caught.value.hint
            path.parent.chmod(0o700)


class TestOneWriter:
    def test_a_second_writer_is_refused_and_told_who_writes(self, journal: SqliteJournal, path: Path) -> None:
        """While one has it open for writing, the next is refused, with the first one's process id."""
        with pytest.raises(RunnerConflictError, match=f"process {os.getpid()} on ") as caught:
            SqliteJournal(path)
        assert caught.value.hint
        assert 2 == journal.note(RUN, "still", "writing").seq

    def test_a_glance_names_the_writer_and_hinders_nobody(self, path: Path) -> None:
        """Whoever asks who writes hears of the process while it writes, and of nobody before and after."""
        lock = path.with_name(f"{path.name}.lock")
        assert "" == writer_at_work(lock)
        with SqliteJournal(path):
            assert f"process {os.getpid()} on " in writer_at_work(lock)
        assert "" == writer_at_work(lock)
        with SqliteJournal(path):
            pass

    def test_a_second_process_is_refused(self, journal: SqliteJournal, path: Path) -> None:
        """The lock holds between processes too."""
        done = subprocess.run([sys.executable, WRITER, path, "b"], capture_output=True, text=True, check=False)
        assert 0 != done.returncode
        assert "RunnerConflictError" in done.stderr

    def test_a_reader_sees_each_entry_while_a_writer_goes_on(self, journal: SqliteJournal, path: Path) -> None:
        """Readers neither wait nor hinder, and see what was acknowledged at once."""
        with SqliteJournal(path, read_only=True) as one, SqliteJournal(path, read_only=True) as other:
            for number in range(3):
                journal.append(RUN, f"step {number}", Move.BEGIN, before={})
                assert journal.events(RUN) == one.events(RUN) == other.events(RUN)

    def test_a_forked_worker_does_not_hold_the_lock_past_its_parents_close(self, path: Path) -> None:
        """A pool's worker that outlives the runner, as after kill -9, does not keep the next runner out."""
        context = multiprocessing.get_context("fork")
        ready, release = context.Event(), context.Event()
        journal = SqliteJournal(path)
        worker = context.Process(target=_wait, args=(ready, release))
        worker.start()
        try:
            assert ready.wait(10)
            journal.close()
            SqliteJournal(path).close()
        finally:
            release.set()
            worker.join()


def _wait(ready: ProcessEvent, release: ProcessEvent) -> None:
    ready.set()
    release.wait(30)


class TestDeath:
    def test_kill_9_loses_no_acknowledged_entry_and_frees_the_lock(self, path: Path) -> None:
        """A process killed while it appends, five times over, leaves every entry it was told of, in a sound chain."""
        moments = random.Random(2)
        last = 0
        for life in range(5):
            acknowledged = _killed_while_writing(path, str(life), moments.uniform(0.0, 0.2))
            assert acknowledged[0] > last
            with SqliteJournal(path, read_only=True) as reader:
                seqs = [event.seq for event in reader.events(RUN)]
            assert set(acknowledged) <= set(seqs)
            assert list(range(2, len(seqs) + 2)) == seqs
            last = seqs[-1]
        with SqliteJournal(path) as journal:
            assert last + 1 == journal.note(RUN, "after", "five deaths").seq

    def test_a_log_left_behind_is_noticed(self, path: Path) -> None:
        """Without the -wal file of a killed process the journal lacks entries, and the next writer says so."""
        _killed_while_writing(path, "1", 0.05)
        path.with_name("journal.db-wal").unlink()
        with pytest.raises(JournalError, match="lacks entries that were written"):
            SqliteJournal(path)


def _killed_while_writing(path: Path, life: str, after_s: float) -> list[int]:
    """The numbers that were acknowledged to us before the kill."""
    process = subprocess.Popen([sys.executable, WRITER, path, life], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process, process.stdout as lines:
        first = lines.readline()
        time.sleep(after_s)
        process.kill()
        rest = lines.read().splitlines(keepends=True)
    return [int(line) for line in [first, *rest] if line.endswith(b"\n")]


class TestCarrying:
    def test_an_export_carries_everything(self, path: Path, tmp_path: Path) -> None:
        """Runs, events, notes and attachments arrive on the other machine as they were."""
        written(path)
        attachments = {"plan.json": '{"a": "é"}', "vault": "only because the caller said so"}
        with SqliteJournal(path, read_only=True) as here, SqliteJournal(tmp_path / "there.db") as there:
            here.export(tmp_path / "export.json", attachments)
            assert attachments == there.import_(tmp_path / "export.json")
            assert (here.runs(), here.events(RUN), here.notes(RUN)) == (
                there.runs(),
                there.events(RUN),
                there.notes(RUN),
            )
            assert 5 == there.append(RUN, "fence", Move.BEGIN_UNDO).seq

    def test_an_export_is_one_json_document_without_more_than_it_was_given(self, path: Path, tmp_path: Path) -> None:
        """The document parses as JSON and holds the entries; attachments are only the caller's."""
        written(path)
        with SqliteJournal(path, read_only=True) as journal:
            journal.export(tmp_path / "export.json")
        document = json.loads((tmp_path / "export.json").read_text())
        assert ("pgcutover journal", 4, {}) == (document["format"], len(document["entries"]), document["attachments"])

    def test_an_export_replaces_the_last_one_whole(self, journal: SqliteJournal, tmp_path: Path) -> None:
        """Exporting to the same file again gives the newer one, and no scratch file stays."""
        target = tmp_path / "exports" / "run.json"
        target.parent.mkdir()
        journal.export(target)
        journal.note(RUN, "more", 1)
        journal.export(target)
        assert [target] == list(target.parent.iterdir())
        assert 2 == len(json.loads(target.read_text())["entries"])

    def test_an_export_taken_while_a_writer_goes_is_sound(self, path: Path, tmp_path: Path) -> None:
        """A status --export during a run can be imported."""
        process = subprocess.Popen([sys.executable, WRITER, path, "a"], stdout=subprocess.PIPE)
        assert process.stdout is not None
        with process, process.stdout as lines:
            lines.readline()
            with SqliteJournal(path, read_only=True) as reader:
                reader.export(tmp_path / "export.json")
            process.kill()
            lines.read()
        with SqliteJournal(tmp_path / "there.db") as there:
            there.import_(tmp_path / "export.json")
            assert there.events(RUN)

    def test_an_export_that_goes_on_from_here_is_taken_over(self, path: Path, tmp_path: Path) -> None:
        """Into a journal that is its beginning, an export brings what is missing; into an equal one, nothing."""
        written(path)
        there = tmp_path / "there.db"
        with SqliteJournal(path) as here, SqliteJournal(there) as other:
            here.export(tmp_path / "first.json")
            other.import_(tmp_path / "first.json")
            here.append(RUN, "fence", Move.BEGIN_UNDO)
            here.export(tmp_path / "second.json")
            for _ in range(2):
                other.import_(tmp_path / "second.json")
                assert here.events(RUN) == other.events(RUN)

    def test_an_older_export_is_refused(self, path: Path, tmp_path: Path) -> None:
        """A file that lacks what this journal holds would take history back: it is refused, and nothing changes."""
        written(path)
        with SqliteJournal(path) as journal:
            journal.export(tmp_path / "older.json")
            journal.append(RUN, "fence", Move.BEGIN_UNDO)
            with pytest.raises(JournalError, match=r"is older than the journal .* it ends at entry 4 of 5"):
                journal.import_(tmp_path / "older.json")
            assert StepState.UNDOING == journal.events(RUN)[-1].state

    def test_another_history_is_refused(self, path: Path, tmp_path: Path) -> None:
        """An export of another journal is never mixed into this one."""
        written(path)
        written(tmp_path / "other.db")
        with SqliteJournal(path) as journal:
            journal.export(tmp_path / "export.json")
        with SqliteJournal(tmp_path / "other.db") as other, pytest.raises(JournalError, match="different histories"):
            other.import_(tmp_path / "export.json")

    @pytest.mark.parametrize(
        ("old", "new"),
        [("grace", "mallory"), ('"version": 1', '"version": 2'), ("only ours", "theirs"), ("}", ""), ("journal", "")],
    )
    def test_a_changed_or_torn_export_is_refused(self, path: Path, tmp_path: Path, old: str, new: str) -> None:
        """An export that was edited, cut or is of another version leaves the importing journal empty."""
        written(path)
        export = tmp_path / "export.json"
        with SqliteJournal(path, read_only=True) as journal:
            journal.export(export, {"plan.json": "only ours"})
        assert old in export.read_text()
        export.write_text(export.read_text().replace(old, new))
        with SqliteJournal(tmp_path / "there.db") as there:
            with pytest.raises(JournalError) as caught:
                there.import_(export)
            assert caught.value.hint
            assert () == there.runs()

    def test_a_missing_export_and_an_unwritable_place_are_told(self, journal: SqliteJournal, tmp_path: Path) -> None:
        """Both ways a wrong path is an error that names the export."""
        with pytest.raises(JournalError, match=r"the export .*nowhere\.json cannot be used"):
            journal.import_(tmp_path / "nowhere.json")
        with pytest.raises(JournalError, match=r"the export .*run\.json cannot be used"):
            journal.export(tmp_path / "nowhere" / "run.json")
