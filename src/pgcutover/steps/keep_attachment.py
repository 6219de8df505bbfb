"""Attach the old database a second time, so that its first attachment can go and the database stays in reach."""

from dataclasses import dataclass

from pgcutover.facts.estate import Attachment
from pgcutover.planning.moves import KeptAttachment
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.ports import World
from pgcutover.steps.releases import ReleaseWatch


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepAttachment:
    """One more attachment of one add-on to its billing app: one release, nothing that users notice."""

    kept: KeptAttachment
    name: str
    keeps_target: bool = False

    @property
    def title(self) -> str:
        return f"attach {self.kept.addon} to {self.kept.app} a second time, as {self.kept.name}"

    @property
    def by_hand(self) -> str:
        return f"heroku addons:detach {self.kept.name} -a {self.kept.app}"

    @property
    def calls(self) -> tuple[str, ...]:
        return (f"POST /addon-attachments {{addon: {self.kept.addon}, app: {self.kept.app}, name: {self.kept.name}}}",)

    def observe(self, world: World) -> Before:
        return {"present": self._find(world) is not None}

    def do(self, world: World, before: Before) -> None:
        watch = ReleaseWatch(heroku=world.heroku, notes=world.notes, clock=world.clock, apps=(self.kept.app,))
        watch.quiet(self.kept.app)
        if self._find(world) is None:
            with watch.making(self.kept.app, f"attach {self.kept.name}"):
                world.heroku.attach(app=self.kept.app, addon=self.kept.addon, name=self.kept.name)

    def verify(self, world: World, before: Before) -> Finding:
        found = self._find(world)
        verdict = Verdict.WHOLE if found else Verdict.ABSENT
        return Finding(verdict=verdict, unchanged=bool(found) == before["present"], detail=self.kept.name)

    def undo(self, world: World, before: Before) -> None:
        watch = ReleaseWatch(heroku=world.heroku, notes=world.notes, clock=world.clock, apps=(self.kept.app,))
        watch.quiet(self.kept.app)
        found = self._find(world)
        if found and not before["present"]:
            with watch.making(self.kept.app, f"detach {self.kept.name}", must_succeed=False):
                world.heroku.detach(found.id)

    def _find(self, world: World) -> Attachment | None:
        attachments = world.heroku.app_attachments(self.kept.app)
        return next((a for a in attachments if a.name == self.kept.name and a.addon == self.kept.addon), None)
