"""What the plan says beforehand of its apps."""

from pgcutover.app.planner import about_apps
from pgcutover.planning.moves import AppMoves, VariableMove


def app(*variables: str, private_space: bool = False) -> AppMoves:
    return AppMoves(
        app="acme",
        variables=tuple(VariableMove(variable=name) for name in variables),
        process_types=("web",),
        web_types=("web",),
        has_release_phase=False,
        private_space=private_space,
    )


def test_a_private_target_is_out_of_reach_of_the_common_runtime() -> None:
    """Apps in a Private Space, and targets that are public, are not spoken of."""
    [said] = about_apps([app("DATABASE_URL")], public=False)
    assert "acme cannot reach" in said.what
    assert "public-tls" in said.hint
    assert [] == list(about_apps([app("DATABASE_URL")], public=True))
    assert [] == list(about_apps([app("DATABASE_URL", private_space=True)], public=False))


def test_an_app_that_would_be_closed_for_nothing_is_named() -> None:
    """It is listed, and no variable of it moves."""
    [said] = about_apps([app()], public=True)
    assert "acme has no config var" in said.what
