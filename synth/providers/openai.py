"""``openai/NAME``: any OpenAI-compatible server."""

import os
from urllib.parse import urlsplit

from synth.errors import SetupError
from synth.project import Sampling
from synth.providers.base import Client, LazyProvider, Options, Provider, Traits

OFFICIAL = "https://api.openai.com/v1"
LOOPBACK = {"localhost", "127.0.0.1", "::1"}

#: Talks that play at once: far below what any paid account allows.
CONCURRENCY = 16
#: Tokens a reply may have; models that think before they answer count their thoughts too.
LONGEST = 2000


def open_openai(name: str, options: Options) -> Provider:
    """Open ``openai/NAME`` at ``options.base_url``, by default OpenAI itself, with the key in OPENAI_API_KEY."""
    base_url = options.base_url or OFFICIAL
    local = urlsplit(base_url).hostname in LOOPBACK

    def start() -> Client:
        key = os.environ.get("OPENAI_API_KEY", "")
        if not key and not local:
            raise SetupError(f"no key for {base_url}: set OPENAI_API_KEY in the environment, or another --base-url")
        from synth.providers.client import OpenAIClient  # noqa: PLC0415 - takes a second

        return OpenAIClient(base_url, key or "none")

    note = f"{name} at {base_url}. Read some of it before you train on it, and mind the terms of the model's makers."
    return LazyProvider(Traits("duet", CONCURRENCY, Sampling(max_tokens=LONGEST), note, paid=not local), start)
