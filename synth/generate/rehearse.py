"""What a talk would ask, without asking anybody: the real way of playing over answers made by rule."""

from dataclasses import dataclass, field

from synth.generate.cast import Cast
from synth.generate.guards import Rejected
from synth.generate.plan import Scenario
from synth.generate.run import MODES
from synth.providers.base import Options, Reply, Request
from synth.providers.scripted import DEMO, open_scripted

#: Characters a token, and tokens of a written message: rough for every model, so all that is made of them is "about".
CHARACTERS, MESSAGE_TOKENS = 4, 40


@dataclass(slots=True)
class Rehearsal:
    """The requests of one talk, exactly as they would be sent (but for what a model's own answers would add)."""

    requests: list[Request] = field(default_factory=list)

    @property
    def tokens_in(self) -> int:
        """About how many tokens are sent."""
        sent = sum(len(request.prompt) + sum(len(m.content) for m in request.messages) for request in self.requests)
        return sent // CHARACTERS


async def rehearse(scenario: Scenario, cast: Cast) -> Rehearsal:
    """Play a scenario over scripted answers and note what was asked."""
    script = open_scripted(DEMO, Options())
    rehearsal = Rehearsal()

    async def ask(request: Request) -> Reply:
        rehearsal.requests.append(request)
        reply = await script.complete(request)
        # An opener must share a word with its topic.
        return Reply(f"{scenario.topic}: {reply.text}", "stop") if request.prompt else reply

    try:
        await MODES[scenario.mode](scenario, cast, ask, 0)
    except Rejected:
        # Answers made by rule may repeat; what was asked until then is still what would be asked.
        return rehearsal
    return rehearsal
