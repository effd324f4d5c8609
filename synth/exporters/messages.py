"""``messages``: the core that OpenAI, TRL, Axolotl, Together, Fireworks, Mistral and others all take."""

from typing import Any

from synth.conversation import Conversation


def record(conversation: Conversation) -> dict[str, Any]:
    """Return ``{"messages": [{"role": ..., "content": ...}, ...]}``."""
    return {"messages": [{"role": message.role, "content": message.content} for message in conversation.messages]}
