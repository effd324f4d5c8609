"""Train and valid: whole topics on either side, so that no topic is in both."""

import hashlib
import math
from collections.abc import Iterable


def valid_topics(topics: Iterable[tuple[str, str]], share: float) -> set[tuple[str, str]]:
    """Choose the (category, topic) pairs that are held out.

    By hash, so that a topic hardly ever changes sides when others come and go. One topic at least is held out where
    a share is wanted and there are two or more, and never more than the share, rounded up.
    """
    ranked = sorted(set(topics), key=_rank)
    if share == 0 or len(ranked) < 2:
        return set()
    below = sum(_rank(topic) < share * 2**64 for topic in ranked)
    return set(ranked[: max(1, min(below, math.ceil(share * len(ranked))))])


def _rank(topic: tuple[str, str]) -> int:
    return int.from_bytes(hashlib.blake2b("\x1f".join(topic).encode(), digest_size=8).digest(), "big")
