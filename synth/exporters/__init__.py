"""Training formats: an exporter turns a conversation into one record."""

from collections.abc import Callable, Mapping
from typing import Any

from synth.conversation import Conversation
from synth.registry import Registry

Exporter = Callable[[Conversation], Mapping[str, Any]]

EXPORTERS = Registry("exporter", {"messages": "synth.exporters.messages:record"})
