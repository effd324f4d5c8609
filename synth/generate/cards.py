"""User cards: who the simulated user is this time, sampled without a model."""

import random
from dataclasses import dataclass

# Short on purpose: fine detail in a description adds almost nothing (arXiv 2505.17390), and prompted users are by
# far too willing (arXiv 2603.11245), so half of the moods are not.
_MOODS = (
    *("curious", "in good spirits", "calm", "a little shy", "chatty"),
    *("tired", "impatient", "unsure of themselves", "distracted", "annoyed by something else"),
)
_STYLES = (
    "They write in lower case with hardly any punctuation.",
    "They write short messages, often only a few words.",
    "They write in whole sentences.",
    "They make typing mistakes and do not mend them.",
    "They write the way they speak, with half sentences.",
)
_GOALS = (
    "to understand it in the end, though you say only bit by bit what you do not get",
    "a quick answer, and you get impatient when there is none",
    "you are not quite sure; you start vaguely and become clearer when asked",
    "to talk about it with somebody, more than to learn it",
    "to see whether you have understood it right; one thing you believe about it is wrong",
)


@dataclass(frozen=True, slots=True)
class UserCard:
    """Who the simulated user is this time."""

    mood: str
    style: str
    goal: str


def sample_card(seed: int) -> UserCard:
    """Draw a card; the same seed draws the same one."""
    draw = random.Random(seed)
    return UserCard(draw.choice(_MOODS), draw.choice(_STYLES), draw.choice(_GOALS))
