"""Mode ``duet``: a simulated user and the persona take turns, each seeing the talk from its own chair."""

import re

from synth.conversation import PERSONA, USER, Message, Turn, from_chair
from synth.generate.cast import Cast, take_turn
from synth.generate.guards import Rejected, check_turn
from synth.generate.plan import Scenario, derive
from synth.prompts import Persona
from synth.providers.base import Ask, Reply, Request

#: What the user writes when it has had enough; it never gets into a talk.
END = "<end>"

_END = re.compile(re.escape(END), re.IGNORECASE)
_GOODBYE = re.compile(
    r"\b(good ?bye|bye|see you( later| tomorrow| soon| then)?(?=\W*$)|good night|talk to you later|gotta go|ttyl)\b",
    re.IGNORECASE,
)


def says_goodbye(text: str) -> bool:
    """Whether a message is a goodbye: a short one, and no talk about goodbyes."""
    return len(text.split()) <= 6 and not re.search(r"\?|\bsay", text) and bool(_GOODBYE.search(text))


async def play(scenario: Scenario, cast: Cast, ask: Ask, attempt: int) -> tuple[Turn, ...]:
    """Play one talk of at most ``scenario.turns`` messages, which the user may end.

    Raises Rejected with the turns so far.
    """
    turns: list[Turn] = []
    try:
        while len(turns) < scenario.turns:
            user, leaves = await _user(turns, scenario, cast, ask, attempt)
            if user.silent:
                break
            turns.append(user)
            turns.append(await _persona(turns, scenario, cast, ask, attempt))
            if leaves or turns[-1].silent:
                break
    except Rejected as rejected:
        rejected.turns = tuple(turns)
        raise
    return tuple(turns)


async def _user(turns: list[Turn], scenario: Scenario, cast: Cast, ask: Ask, attempt: int) -> tuple[Turn, bool]:
    """Return the user's next turn, a silent one where it has gone, and whether it goes after the answer."""
    leaves = False
    prompt = cast.render("user.j2", scenario, attempt, turns=turns, end=END)

    def read(reply: Reply) -> Turn:
        nonlocal leaves
        text = _unwrap(_END.sub("", reply.text), cast.persona.user)
        leaves = bool(_END.search(reply.text)) or says_goodbye(text)
        if _END.search(reply.text) and not text and turns:
            return Turn(USER, "")
        turn = Turn(USER, text)
        check_turn(turn, turns, scenario, cast.persona)
        return turn

    messages = (Message("user", prompt),)
    turn = await take_turn(ask, _request(messages, USER, turns, scenario, cast, attempt), read)
    return turn, leaves


async def _persona(turns: list[Turn], scenario: Scenario, cast: Cast, ask: Ask, attempt: int) -> Turn:
    def read(reply: Reply) -> Turn:
        turn = Turn(PERSONA, spoken(reply.text, cast.persona))
        check_turn(turn, turns, scenario, cast.persona)
        return turn

    system = Message("system", cast.render("persona.j2", scenario, attempt))
    messages = (system, *from_chair(turns, PERSONA))
    return await take_turn(ask, _request(messages, PERSONA, turns, scenario, cast, attempt), read)


def _request(
    messages: tuple[Message, ...], speaker: str, turns: list[Turn], scenario: Scenario, cast: Cast, attempt: int
) -> Request:
    side = cast.sides[speaker]
    seed = derive(scenario.seed, attempt, len(turns))
    return Request(side.model, messages, seed=seed, sampling=side.sampling)


def spoken(text: str, persona: Persona) -> str:
    """Return what the persona said: no label of its own before it, and nothing at all for its mark of silence."""
    said = _unwrap(text, persona.name)
    if persona.silence and persona.silence.mark in said:
        rest = said.replace(persona.silence.mark, "").strip()
        return rest if any(character.isalnum() for character in rest) else ""
    return said


def _unwrap(text: str, name: str) -> str:
    """Take off the speaker's own label and the quotes around the whole, which models like to add."""
    text = re.sub(rf"^\s*{re.escape(name)}\s*:\s*", "", text.strip(), flags=re.IGNORECASE).strip()
    if len(text) > 1 and text[0] == text[-1] == '"' and '"' not in text[1:-1]:
        text = text[1:-1].strip()
    return text
