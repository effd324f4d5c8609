"""Speakers get the names that a dataset is to show."""

from collections.abc import Mapping
from dataclasses import replace

from synth.conversation import Transcript


def rename(transcript: Transcript, names: Mapping[str, str]) -> Transcript:
    """Return the transcript with each speaker in ``names`` called by its new name."""
    turns = tuple(replace(turn, speaker=names.get(turn.speaker, turn.speaker)) for turn in transcript.turns)
    return replace(transcript, turns=turns)
