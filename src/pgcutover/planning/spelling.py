"""One expression that PostgreSQL prints in two ways: before a dump, and after its restore.

`s IN ('a', 'b')` on a varchar is stored as a cast of the whole array, and read back as a cast of each element. Pure and
conservative: whatever is not exactly that form stays as it is; the inside of strings and quoted names is never touched.
https://www.postgresql.org/docs/current/sql-expressions.html#SQL-SYNTAX-ARRAY-CONSTRUCTORS
"""

import re
from collections.abc import Sequence

# As ruleutils.c prints: quotes are doubled, and backslashes stand only in E'' strings, where they are doubled too.
TOKEN = re.compile(r"""E'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\s+|::|[^\W\d][\w$]*|\d+|.""", re.DOTALL)

WORD = re.compile(r'[^\W\d][\w$]*|"')

Tokens = Sequence[str]


def spelled_alike(text: str) -> str:
    """The text with `(ARRAY['a'::t, …])::u[]` as `ARRAY[('a'::t)::u, …]`, which is what the former becomes."""
    if "ARRAY[" not in text:
        return text
    tokens = TOKEN.findall(text)
    found: list[str] = []
    at = 0
    while at < len(tokens):
        cast = _cast_array(tokens, at)
        if cast is None:
            found.append(tokens[at])
            at += 1
        else:
            spelled, at = cast
            found.append(spelled)
    return "".join(found)


def _cast_array(tokens: Tokens, at: int) -> tuple[str, int] | None:
    """What a cast array that starts here is spelled as, and where it ends."""
    if not _are(tokens, at, ("(", "ARRAY", "[")):
        return None
    elements: list[str] = []
    at += 3
    while (end := _element(tokens, at)) is not None:
        elements.append("".join(tokens[at:end]))
        if not _are(tokens, end, (",", " ")):
            break
        at = end + 2
    if end is None or not _are(tokens, end, ("]", ")", "::")):
        return None
    after = _type(tokens, end + 3)
    if after is None or not _are(tokens, after, ("[", "]")) or _are(tokens, after + 2, ("[",)):
        return None
    target = "".join(tokens[end + 3 : after])
    return f"ARRAY[{', '.join(f'({element})::{target}' for element in elements)}]", after + 2


def _element(tokens: Tokens, at: int) -> int | None:
    """Where an element ends that is a string, or NULL, cast to one type."""
    if at >= len(tokens) or not (tokens[at] == "NULL" or tokens[at].startswith(("'", "E'"))):
        return None
    return _type(tokens, at + 2) if _are(tokens, at + 1, ("::",)) else None


def _type(tokens: Tokens, at: int) -> int | None:
    """Where a type's name ends: words between single spaces, or names between dots; no modifier, no array."""
    while at < len(tokens) and WORD.match(tokens[at]):
        at += 1
        if at + 1 < len(tokens) and tokens[at] in (" ", ".") and WORD.match(tokens[at + 1]):
            at += 1
        else:
            return at
    return None


def _are(tokens: Tokens, at: int, expected: Tokens) -> bool:
    return list(tokens[at : at + len(expected)]) == list(expected)
