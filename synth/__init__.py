"""From YAML topics and a persona to multi-turn conversations and fine-tune JSONL."""

__version__ = "0.1.0"
