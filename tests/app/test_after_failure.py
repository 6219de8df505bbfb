"""What a person reads after a failure that took everything back."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pgcutover.app.cutover import Cutover
from pgcutover.app.people import OnFailure
from pgcutover.errors import CopyError


@pytest.mark.parametrize(("hint", "about"), [("Free the disk.", " About the cause: Free the disk."), ("", "")])
def test_the_cause_is_told_where_something_is_known_of_it(hint: str, about: str) -> None:
    """A hint of the error's own stands at the end; where there is none, nothing announces it."""
    world = SimpleNamespace(clock=None, renew=lambda: None)
    session = SimpleNamespace(lifted=False, touched=lambda *_: True, back=lambda: (), world=world)
    error = CopyError("bytes did not arrive", hint=hint)
    Cutover.__new__(Cutover)._after_failure(cast(Any, session), error, OnFailure.RETURN)
    assert error.hint.startswith("Everything went back")
    assert error.hint.endswith(f"then pgcutover migrate.{about}")
