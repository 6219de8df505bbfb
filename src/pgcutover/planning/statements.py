"""SQL as pg_dump writes it, taken apart just far enough. Pure.

What is looked at inside an entry are texts of indexes, constraints and foreign keys: the server words them, so quotes
are doubled inside quotes and there are neither comments nor dollar quotes.
"""

import re
from collections import Counter
from collections.abc import Mapping

# pg_restore --verbose says before each entry which one it is. Names in these comments have no line breaks.
HEADER = re.compile(r"^--\n-- TOC entry (\d+) \(class (\d+) OID (\d+)\)\n(?:-- [^\n]*\n)*--\n", re.MULTILINE)
TRAILER = "--\n-- PostgreSQL database dump complete\n--\n"
COMPLETED = re.compile(r"^-- Completed on [^\n]*\n\s*\Z", re.MULTILINE)
# Between two entries, for the latter. No text of a statement ends so: what ends in a literal has another quote there.
SETTINGS = re.compile(r"""(?:^SET default_\w+ = (?:''|\w+|"[^"\n]*");\s*)+\Z""", re.MULTILINE)
SETTING = re.compile(r"^SET (\w+) = .*;$", re.MULTILINE)
QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|;""")


def entry_texts(script: str) -> Mapping[int, str]:
    """Each entry's statements, by dump id, from the script of `pg_restore --verbose --file=-`.

    An entry that something in the script makes doubtful, a literal that looks like a header for one, makes the answer
    hold more or other ids than were asked for: it is for the caller to look.
    """
    _, parts = _parts(script)
    seen = Counter(dump_id for dump_id, _ in parts)
    return {dump_id: text for dump_id, text in parts if seen[dump_id] == 1}


def settings_in_force(script: str) -> Mapping[int, str]:
    """The SETs that pg_restore put before each entry, or before an earlier one and that still hold, by dump id."""
    before, parts = _parts(script)
    held: dict[str, str] = {}
    found: dict[int, str] = {}
    for dump_id, text in parts:
        if tail := SETTINGS.search(before):
            held |= {setting[1]: setting[0] for setting in SETTING.finditer(tail[0])}
        found[dump_id] = "\n".join(held.values())
        before = text
    return found


def _parts(script: str) -> tuple[str, list[tuple[int, str]]]:
    """What comes before the first entry, and every entry's text by its dump id."""
    body = COMPLETED.sub("", script[:end] if (end := script.rfind(TRAILER)) >= 0 else script)
    headers = list(HEADER.finditer(body))
    starts = [header.start() for header in headers] + [len(body)]
    texts = [body[h.end() : end].strip() for h, end in zip(headers, starts[1:], strict=True)]
    return body[: starts[0]], [(int(h[1]), text) for h, text in zip(headers, texts, strict=True)]


def first_statement(text: str) -> tuple[str, str]:
    """The first statement, without its semicolon, and what follows."""
    for found in QUOTED.finditer(text):
        if found[0] == ";":
            return text[: found.start()], text[found.end() :]
    return text, ""


def not_valid(text: str) -> str:
    """ADD CONSTRAINT, alone in its text, without the check of the rows there are; '' where that cannot be said."""
    statement, further = first_statement(text)
    # What pg_dump may put between two entries.
    rest = re.sub(r"SET default_\w+ = [^;]*;", "", further).strip()
    if rest or statement.rstrip().endswith(("NOT VALID", "NOT ENFORCED")):
        return ""
    return f"{statement} NOT VALID"
