"""A look at the local Heroku says what is there: as predicted while nothing is changed, otherwise when it is."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from local_heroku import KEY, Heroku

from pgcutover.app.probing.heroku import LOOKS, look_at_heroku
from pgcutover.app.probing.looking import Asking, Looks
from pgcutover.edges.probe_heroku import ProbeHeroku
from pgcutover.edges.transcript import Transcript
from pgcutover.errors import HerokuError, RefusedError
from pgcutover.facts.names import Secret
from pgcutover.lab.heroku import api_addons, api_runtime, rules
from pgcutover.lab.heroku.plans import PLANS
from pgcutover.planning.predicted_heroku import HEROKU
from pgcutover.planning.predictions import Verdict

NAME = "pgcutover-probe-0123abcd"


@contextmanager
def probing(heroku: Heroku, directory: Path) -> Iterator[ProbeHeroku]:
    with closing(Transcript(directory / "transcript.jsonl")) as transcript:
        base = heroku.lab.base_url
        with closing(ProbeHeroku(Secret(KEY), base, base, transcript)) as api:
            yield api


def verdicts(heroku: Heroku, directory: Path, *numbers: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Verdict]:
    """Of these looks only."""
    monkeypatch.setattr("pgcutover.app.probing.heroku.LOOKS", {n: look for n, look in LOOKS.items() if n in numbers})
    with probing(heroku, directory) as api:
        transcript = api._transcript
        looks = Looks(predictions=HEROKU, transcript=transcript, tell=lambda _: None)
        look_at_heroku(api, NAME, "us", looks, Asking(transcript=transcript), lambda _: None)
        api.remove_app(NAME)
    return {number: finding.verdict for number, finding in looks.findings.items()}


def test_every_change_underneath_is_seen(running: Heroku, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look says what the lab was turned to do, and a look at what was left alone says that it is as it was."""
    knobs = {"refusal_status": 400, "attach_runs_release_phase": True}
    running.api.patch("/_lab/new-apps/knobs", json=knobs).raise_for_status()
    monkeypatch.setattr(api_addons, "PLANS", PLANS[1:])
    monkeypatch.setattr(api_runtime, "KEPT_LINES", 1000)
    monkeypatch.setattr(rules, "check_variable_free", lambda *_: None)
    monkeypatch.setattr(rules, "check_replacement", lambda *_: None)
    turned = {"H1", "H2", "H4", "H5", "L1", "L2"}
    found = verdicts(running, tmp_path, *turned, "H3", monkeypatch=monkeypatch)
    assert {**dict.fromkeys(turned, Verdict.OTHERWISE), "H3": Verdict.AS_PREDICTED} == found


def test_a_look_that_gets_no_answer_is_no_pass(
    running: Heroku, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it taken for a difference; the next look is made all the same."""
    fault = {"kind": "html", "path": "/plans$", "times": 20, "status": 500}
    running.api.post("/_lab/faults", json=fault).raise_for_status()
    monkeypatch.setattr("pgcutover.edges.probe_heroku.TRIES", 1)
    found = verdicts(running, tmp_path, "H4", "L10", monkeypatch=monkeypatch)
    assert {"H4": Verdict.NOT_LOOKED, "L10": Verdict.AS_PREDICTED} == found


def test_only_a_probes_own_app_is_removed(running: Heroku, tmp_path: Path) -> None:
    """Neither another name, nor one of ours that somebody else gave to an app with a database."""
    running.api.post("/apps", json={"name": NAME}).raise_for_status()
    running.api.post(f"/apps/{NAME}/addons", json={"plan": "essential-0"}).raise_for_status()
    with probing(running, tmp_path) as api:
        for name in ("acme-api", NAME):
            with pytest.raises(RefusedError):
                api.remove_app(name)
        with pytest.raises(HerokuError, match="already taken"):
            api.make_app(NAME, "us")
    assert {"acme-api", "acme-docs", NAME} == {app["name"] for app in running.get("/apps")}
