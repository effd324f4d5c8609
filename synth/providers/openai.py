"""``openai/NAME``: any OpenAI-compatible server."""

import os
from urllib.parse import urlsplit

from synth.errors import InputError, SetupError
from synth.project import Sampling
from synth.providers.base import Client, LazyProvider, Options, Provider, Traits, on_this_machine

OFFICIAL = "https://api.openai.com/v1"

#: Talks that play at once: far below what any paid account allows.
CONCURRENCY = 16
#: Tokens a reply may have; models that think before they answer count their thoughts too.
LONGEST = 2000


def open_openai(name: str, options: Options) -> Provider:
    """Open ``openai/NAME`` at ``options.base_url``, by default OpenAI itself, with the key in OPENAI_API_KEY.

    Raises InputError for a base URL that is none.
    """
    base_url = options.base_url or OFFICIAL
    if not _is_url(base_url):
        raise InputError(f"the base URL {base_url!r} is none; expected one like http://localhost:8000/v1")
    local = on_this_machine(base_url)

    def start() -> Client:
        key = os.environ.get("OPENAI_API_KEY", "")
        if not key and not local:
            raise SetupError(f"no key for {base_url}: set OPENAI_API_KEY in the environment, or another --base-url")
        if not key.isascii():
            raise SetupError("the key in OPENAI_API_KEY is none: it holds other characters than letters and digits")
        from synth.providers.client import OpenAIClient  # noqa: PLC0415 - takes a second

        return OpenAIClient(base_url, key or "none")

    note = f"{name} at {base_url}. Read some of it before you train on it, and mind the terms of the model's makers."
    return LazyProvider(Traits("duet", CONCURRENCY, Sampling(max_tokens=LONGEST), note, paid=not local), start)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # half a bracket, a port that is no number or too large
        return False
