"""Identity by content: equal things have equal names, on every machine."""

import hashlib
import json
from typing import Any


def fingerprint(value: Any, size: int = 8) -> str:
    """Return the hash of plain data: blake2b of ``size`` bytes, in hex, over its canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()
