"""Train and valid: whole topics on either side, so that no topic is in both."""

import hashlib
from collections.abc import Iterable


def valid_topics(topics: Iterable[tuple[str, str]], share: float) -> set[tuple[str, str]]:
    """Choose the (category, topic) pairs that are held out.

    By hash, so that a topic stays on its side when others come and go. One topic at least is held out where a share
    is wanted and there are two or more.
    """
    ranked = sorted(set(topics), key=_rank)
    if share == 0 or len(ranked) < 2:
        return set()
    chosen = {topic for topic in ranked if _rank(topic) < share * 2**64}
    return chosen if 0 < len(chosen) < len(ranked) else {ranked[0]}


def _rank(topic: tuple[str, str]) -> int:
    return int.from_bytes(hashlib.blake2b("\x1f".join(topic).encode(), digest_size=8).digest(), "big")
