"""Mode ``continue``: the talk is continued turn by turn, as plain text behind worked examples.

For models that are too small to follow instructions. They imitate well, so the examples and the form of a chat log
carry them; the label of the next speaker is written for them and a line end stops them, so the form is certain
without a grammar, and a turn that a guard refuses is asked for again without losing the talk.
"""

from synth.conversation import PERSONA, USER, Turn
from synth.generate.cast import Cast, take_turn
from synth.generate.guards import Rejected, check_turn, on_topic
from synth.generate.plan import Scenario, derive
from synth.project import Sampling
from synth.providers.base import Ask, Reply, Request

#: Worked examples before a talk, and openers before an opener: more cost time and crowd out the topic.
EXAMPLES, OPENERS = 3, 8

#: Turns to choose from: of those that pass the guards, the one that the model itself held to be the likeliest is taken.
#: More are no better to read and cost as much again (docs/models.md).
CANDIDATES = 2

#: Tokens of a message in a chat. A model of this size that has written more has lost its way.
LONGEST = 70


async def play(scenario: Scenario, cast: Cast, ask: Ask, attempt: int) -> tuple[Turn, ...]:
    """Play one talk; raises Rejected with the turns so far."""
    turns: list[Turn] = []
    try:
        for index in range(scenario.turns):
            turns.append(await _next(turns, scenario, cast, ask, (attempt, index)))
    except Rejected as rejected:
        rejected.turns = tuple(turns)
        raise
    return tuple(turns)


async def _next(turns: list[Turn], scenario: Scenario, cast: Cast, ask: Ask, step: tuple[int, int]) -> Turn:
    attempt, index = step
    speaker = (USER, PERSONA)[index % 2]

    def read(reply: Reply) -> Turn:
        turn = Turn(speaker, reply.text.strip().strip('"'))
        check_turn(turn, turns, scenario, cast.persona)
        if index == 0 and not on_topic(turn.text, scenario.topic):
            raise Rejected("off_topic", turn.text[:60])
        return turn

    if index == 0:
        prompt = cast.render("opener.j2", scenario, attempt, shown=OPENERS)
    else:
        prompt = cast.render("continue.j2", scenario, attempt, shown=EXAMPLES, turns=turns, next=speaker)
    side = cast.sides[speaker]
    sampling = Sampling(max_tokens=min(LONGEST, side.sampling.max_tokens or LONGEST)).over(side.sampling)
    seed = derive(scenario.seed, attempt, index)
    request = Request(side.model, prompt=prompt, stop=("\n",), seed=seed, logprobs=True, sampling=sampling)
    return await take_turn(ask, request, read, CANDIDATES)
