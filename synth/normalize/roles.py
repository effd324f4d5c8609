"""From speakers to roles: the talk from the persona's chair, behind its system prompt."""

from dataclasses import replace

from synth.conversation import Conversation, Message, Transcript, from_chair


def to_conversation(transcript: Transcript, persona: str, system: str, silence: str) -> Conversation:
    """Return what is trained on. A silent turn of the persona becomes the mark ``silence``."""
    talk = (
        message if message.content else replace(message, content=silence)
        for message in from_chair(transcript.turns, persona)
    )
    messages = (Message("system", system), *talk)
    return Conversation(transcript.id, transcript.category, transcript.topic, messages)
