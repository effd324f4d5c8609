"""Who plays: the persona with its templates, and the models behind both sides."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from synth.conversation import PERSONA, USER, Turn
from synth.generate.guards import Rejected, check_reply
from synth.generate.plan import Scenario, derive
from synth.project import Sampling
from synth.prompts import Example, Persona, Templates
from synth.providers.base import Ask, Reply, Request

#: How often one turn is asked for before the whole talk is given up: cheaper than playing all of it again.
TURN_TRIES = 4
#: Orders that worked examples come in. Few, so that talks share the beginning of their prompts: a server that keeps
#: prompts then reads only what is new in one, which for the embedded model is most of the time.
ORDERS = 8


@dataclass(frozen=True)
class Side:
    """A model that plays one side."""

    model: str
    sampling: Sampling


@dataclass(frozen=True)
class Cast:
    """What every way of making a talk needs to know."""

    persona: Persona
    templates: Templates
    sides: dict[str, Side]

    @property
    def labels(self) -> dict[str, str]:
        """How the two sides are marked in plain text."""
        return {USER: f"{self.persona.user.upper()}:", PERSONA: f"{self.persona.name.upper()}:"}

    def render(self, template: str, scenario: Scenario, attempt: int, *, shown: int = 1, **values: Any) -> str:
        """Render a template for a scenario, with ``shown`` worked examples that rotate from attempt to attempt."""
        return self.templates.render(
            template,
            persona=self.persona.for_generation(),
            scenario=scenario,
            card=scenario.card,
            labels=self.labels,
            examples=[_plain(example) for example in self.examples(scenario, attempt)[:shown]],
            **values,
        )

    def examples(self, scenario: Scenario, attempt: int) -> Sequence[Example]:
        """Return the worked examples in one of a few orders, the ones closest to the topic left out.

        A weak model copies from an example about the same thing.
        """
        words = {word for word in scenario.topic.casefold().split() if len(word) > 3} - {"user"}
        apart = [ex for ex in self.persona.examples if not words & set(ex.topic.casefold().split())]
        drawn = list(apart if len(apart) >= 2 else self.persona.examples)
        random.Random((scenario.seed + attempt) % ORDERS).shuffle(drawn)
        return drawn


def _plain(example: Example) -> dict[str, Any]:
    turns = [line.turn for line in example.turns]
    return {"topic": example.topic, "audience": example.audience, "turns": turns}


async def take_turn(ask: Ask, request: Request, read: Callable[[Reply], Turn], candidates: int = 1) -> Turn:
    """Ask for one turn, each time with another seed, until ``read`` has accepted enough candidates.

    Returns the candidate with the highest log-probability. Raises the last Rejected where none was accepted in
    TURN_TRIES tries, and one more for each further candidate.
    """
    last = Rejected("empty")
    accepted: list[tuple[float, Turn]] = []
    for number in range(TURN_TRIES + candidates - 1):
        reply = await ask(replace(request, seed=derive(request.seed, number)))
        try:
            check_reply(reply)
            accepted.append((reply.logprob or 0.0, read(reply)))
        except Rejected as rejected:
            last = rejected
        if len(accepted) == candidates:
            break
    if not accepted:
        raise last
    return max(accepted, key=lambda candidate: candidate[0])[1]


Play = Callable[[Scenario, Cast, Ask, int], Awaitable[tuple[Turn, ...]]]
