"""pgcutover.toml is read strictly: what is misspelt, missing or contradictory is named before anything is touched."""

from pathlib import Path

import pytest

from pgcutover.config import Config, Surroundings, read_config
from pgcutover.errors import ConfigError
from pgcutover.facts.names import Secret

GOOD = """
version = 1
[environments.production]
production = true
database = "acme-api::DATABASE"
apps = ["acme-api"]
[environments.production.target]
region = "us-east-1"
exposure = "public-tls"
"""


def read(tmp_path: Path, text: str, environment: str | None = None) -> Config:
    path = tmp_path / "pgcutover.toml"
    path.write_text(text)
    return read_config(path, environment, Surroundings.read({}))


def test_the_only_environment_is_the_default(tmp_path: Path) -> None:
    """With one environment, --env may be left out."""
    config = read(tmp_path, GOOD)
    assert ("production", "acme-api", "DATABASE", "next", "same") == (
        config.environment,
        config.choices.billing_app,
        config.choices.attachment,
        config.choices.target.size,
        config.choices.target.postgres,
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (('exposure = "public-tls"', 'exposur = "public-tls"'), "did you mean exposure"),
        (('exposure = "public-tls"', ""), "missing key environments.production.target.exposure"),
        (('exposure = "public-tls"', 'exposure = "open"'), "exposure"),
        (("version = 1", "version = 2"), "version"),
        (('"acme-api::DATABASE"', '"DATABASE"'), "billing-app::ATTACHMENT"),
        (('apps = ["acme-api"]', "apps = []"), "apps"),
        (('apps = ["acme-api"]', 'apps = ["other-app"]'), "acme-api is not in apps"),
        (('apps = ["acme-api"]', 'apps = ["Acme\\"; rm"]'), "apps"),
        (('region = "us-east-1"', 'region = "us-east-1"\npostgres = "newest"'), "major version"),
        (("[environments.production.target]", "[environments.production.target"), "not valid TOML"),
        (("production = true", "production = true\n[environments.production.app.nobody]"), "nobody"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, change: tuple[str, str], named: str) -> None:
    """Each mistake in the file is a ConfigError that names the key or the value."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, GOOD.replace(*change))
    assert named in str(caught.value)


def test_several_environments_want_a_choice(tmp_path: Path) -> None:
    """With two environments and no --env the error lists them; an unknown one too."""
    text = GOOD + GOOD.replace("version = 1", "").replace("production]", "staging]").replace(
        "production.t", "staging.t"
    )
    for environment in (None, "nowhere"):
        with pytest.raises(ConfigError) as caught:
            read(tmp_path, text, environment)
        assert "production, staging" in caught.value.hint


def test_no_file_says_how_to_make_one(tmp_path: Path) -> None:
    """A missing file points at init."""
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / "pgcutover.toml", None, Surroundings.read({}))
    assert "pgcutover init" in caught.value.hint


def test_the_token_is_wrapped_and_wanted(tmp_path: Path) -> None:
    """The token comes from HEROKU_API_KEY, wrapped; without one the error says how to get it."""
    path = tmp_path / "pgcutover.toml"
    path.write_text(GOOD)
    config = read_config(path, None, Surroundings.read({"HEROKU_API_KEY": "t0k3n"}))
    assert Secret("t0k3n") == config.token()
    assert "t0k3n" not in repr(config)
    with pytest.raises(ConfigError, match="HEROKU_API_KEY"):
        read(tmp_path, GOOD).token()
