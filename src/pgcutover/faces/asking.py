"""How a question is put to a person: `--yes` answers it, a terminal asks, anything else refuses."""

import sys

import typer

from pgcutover.app.people import Ask, Confirmation, Question
from pgcutover.errors import NotConfirmedError
from pgcutover.faces.consoles import console

err = console(stderr=True)


def asker(*, yes: bool, code: str) -> Ask:
    """How a question is put to a person: --yes answers it, a terminal asks, anything else refuses."""

    def ask(question: Question) -> Confirmation:
        if yes:
            return Confirmation(agreed=True, code=code, unasked=True)
        if not sys.stdin.isatty():
            raise NotConfirmedError(f"nobody can be asked: {question.text}", hint="Run it in a terminal, or add --yes.")
        err.print(question.text)
        if question.wants_code:
            given = code or typer.prompt("A colleague's code (NAME:CODE, from pgcutover plan --code)", err=True)
            return Confirmation(agreed=True, code=given)
        return Confirmation(agreed=typer.prompt(f"Type {question.word} to go on", err=True) == question.word, code=code)

    return ask
