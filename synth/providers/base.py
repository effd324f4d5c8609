"""What is asked, what is answered, and the contract of a provider."""

import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol
from urllib.parse import urlsplit

from synth.conversation import Message
from synth.identity import fingerprint
from synth.project import Mode, Sampling


@dataclass(frozen=True, slots=True)
class Request:
    """One call: either ``messages`` to answer, or a ``prompt``, a plain text to continue.

    ``schema`` is a JSON Schema as text; the answer is then JSON that fits it, where the server can do that.
    With ``logprobs`` the reply says how likely the model held its words.
    """

    model: str
    messages: tuple[Message, ...] = ()
    prompt: str = ""
    seed: int = 0
    stop: tuple[str, ...] = ()
    schema: str = ""
    logprobs: bool = False
    sampling: Sampling = field(default_factory=Sampling)

    def key(self) -> str:
        """Return the hash of all that is sent: equal requests have equal keys, on every machine."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        fields["messages"] = [[message.role, message.content] for message in self.messages]
        fields["sampling"] = self.sampling.model_dump(exclude_none=True)
        return fingerprint(fields, 16)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the text, why it ended, and the tokens that the server counted.

    ``logprob`` is the mean log-probability of a token, where it was asked for and the server told it.
    """

    text: str
    finish: Literal["stop", "length", "content_filter"]
    tokens_in: int = 0
    tokens_out: int = 0
    logprob: float | None = None


Ask = Callable[[Request], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Traits:
    """What is known of a model: how it is used best, and what a user should be told about it."""

    mode: Mode
    concurrency: int
    sampling: Sampling
    note: str
    paid: bool


@dataclass(frozen=True, slots=True)
class Options:
    """What a provider may need to know of the settings."""

    base_url: str | None = None
    threads: int | None = None
    concurrency: int | None = None


def on_this_machine(base_url: str) -> bool:
    """Whether a server is reached without a network: it needs no key, costs nothing and lies behind no proxy."""
    return urlsplit(base_url).hostname in {"localhost", "127.0.0.1", "::1"}


class Client(Protocol):
    """Answers requests. Raises a ProviderError of the right kind: see :mod:`synth.errors`."""

    async def complete(self, request: Request) -> Reply:
        """Answer one request."""
        ...

    async def close(self) -> None:
        """Let go of connections and servers."""
        ...


class Provider(Client, Protocol):
    """A client of which something is known before anything is asked."""

    @property
    def traits(self) -> Traits:
        """What is known of the model."""
        ...


class LazyProvider:
    """A provider whose client is started by the first request: a plan needs no key and loads no model.

    ``start`` raises SetupError when it cannot.
    """

    def __init__(self, traits: Traits, start: Callable[[], Client]) -> None:
        self.traits = traits
        self._start = start
        self._client: Client | None = None

    async def complete(self, request: Request) -> Reply:
        """Answer one request."""
        if self._client is None:
            self._client = self._start()
        return await self._client.complete(request)

    async def close(self) -> None:
        """Close the client, if it was started."""
        if self._client is not None:
            await self._client.close()
            self._client = None
