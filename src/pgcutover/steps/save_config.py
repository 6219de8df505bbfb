"""Keep what the plan will change in the applications' config: their values in the vault, a digest of all the rest."""

import hashlib
from dataclasses import dataclass

from pgcutover.facts.names import Secret
from pgcutover.planning.moves import AppMoves
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.ports import World


def vault_key(app: str, variable: str) -> str:
    return f"config/{app}/{variable}"


def save_anew(world: World, apps: tuple[AppMoves, ...]) -> None:
    """Replace the saved values by today's: passwords change between preparing and moving. Only before the switch."""
    for moves in apps:
        world.vault.put(_held(world, moves))


def _held(world: World, moves: AppMoves) -> dict[str, Secret]:
    config = world.heroku.config(moves.app)
    return {vault_key(moves.app, name): config[name] for name in moves.saved if name in config}


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveConfig:
    """Values of the variables that will change go to a 0600 file; of the others only a digest is kept."""

    apps: tuple[AppMoves, ...]
    name: str = "save-config"
    keeps_target: bool = False
    title: str = "save the config vars that will change (0600 file) and a digest of the rest"
    by_hand: str = "nothing to undo: delete the saved values when the move is over"
    calls: tuple[str, ...] = ("GET /apps/APP/config-vars",)

    def observe(self, world: World) -> Before:
        return {moves.app: self._digest(world, moves) for moves in self.apps}

    def do(self, world: World, before: Before) -> None:
        for moves in self.apps:
            held = _held(world, moves)
            # A second call must not replace the old values by what the switch has written since.
            world.vault.put({key: value for key, value in held.items() if world.vault.get(key) is None})

    def verify(self, world: World, before: Before) -> Finding:
        wanted = {vault_key(moves.app, name) for moves in self.apps for name in moves.saved}
        saved = set(world.vault.keys("config/"))
        missing = wanted - saved
        verdict = Verdict.WHOLE if not missing else Verdict.PARTIAL if wanted & saved else Verdict.ABSENT
        return Finding(
            verdict=verdict,
            unchanged=not wanted,
            detail=f"{len(wanted - missing)} of {len(wanted)} values saved",
            evidence={"saved": sorted(wanted - missing), "digest_of_the_rest": dict(before)},
        )

    def undo(self, world: World, before: Before) -> None:
        world.vault.forget("config/")

    @staticmethod
    def _digest(world: World, moves: AppMoves) -> str:
        rest = sorted((k, v.reveal()) for k, v in world.heroku.config(moves.app).items() if k not in moves.changed)
        return hashlib.sha256(repr(rest).encode()).hexdigest()
