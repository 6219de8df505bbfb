"""A process that appends to a journal for ever, telling the number of each entry once it was acknowledged."""

import itertools
import sys
from pathlib import Path

from pgcutover.edges.journal import SqliteJournal
from pgcutover.running.state import Move

with SqliteJournal(Path(sys.argv[1])) as journal:
    if not journal.runs():
        journal.open_run("run-1", "digest", {}, "ada")
    for number in itertools.count():
        event = journal.append("run-1", f"step {number} of {sys.argv[2]}", Move.BEGIN, before={"filler": "x" * 500})
        print(event.seq, flush=True)
