"""A transcript has speakers, a conversation has roles; ``normalize`` is the only door between them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]

#: What the two sides of a played talk are called until ``normalize.rename`` gives them their names.
USER, PERSONA = "user", "persona"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message by a speaker. An empty text is silence: the speaker chose not to answer."""

    speaker: str
    text: str

    @property
    def silent(self) -> bool:
        """Whether the speaker chose not to answer."""
        return not self.text


@dataclass(frozen=True, slots=True)
class Transcript:
    """One talk, and what it is about.

    ``id`` is the content hash of the scenario it was played from.
    """

    id: str
    category: str
    topic: str
    audience: str
    take: int
    model: str
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One message in a role."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is trained on: messages in roles, with the id and the topic of the transcript behind them."""

    id: str
    category: str
    topic: str
    messages: tuple[Message, ...]


def from_chair(turns: Sequence[Turn], speaker: str) -> Iterator[Message]:
    """Give the talk as ``speaker`` sees it: its own turns are the assistant's, all others the user's."""
    for turn in turns:
        yield Message("assistant" if turn.speaker == speaker else "user", turn.text)
