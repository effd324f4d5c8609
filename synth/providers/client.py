"""The wire to any OpenAI-compatible server, through the ``openai`` package, whose import takes a second."""

import json
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import openai

from synth.errors import (
    ProviderError,
    RequestRefusedError,
    SetupError,
    TransientError,
    UnsupportedError,
    nearest,
)
from synth.providers.base import Reply, Request, on_this_machine

#: Parameters that a server may not know, and that an answer can be had without; max_tokens has a newer name.
SPARE = ("seed", "temperature", "top_p", "min_p", "repeat_penalty", "logprobs")
RENAMED = {"max_tokens": "max_completion_tokens"}

#: How servers say that they do not know a parameter, or take no other value than their own for it.
_NOT_KNOWN = re.compile(
    r"un(known|supported|recogni[sz]ed|expected)|not (supported?|permitted|allowed)|extra", re.IGNORECASE
)

#: What some models think before they answer, where their server leaves it in the text.
_THOUGHT = re.compile(r"^\s*<think>.*?</think>\s*", re.DOTALL)

#: Seconds that a server may ask to wait. What is longer is for the user to decide.
LONGEST_WAIT = 120

#: What is sent in place of a key to a server that asks for none.
NO_KEY = "none"


class OpenAIClient:
    """A client, and what was learnt about its server: the parameters that it does not know.

    ``owner`` is kept as long as the client is: the embedded server.
    """

    def __init__(self, base_url: str, key: str, owner: object = None) -> None:
        self._owner = owner
        self._base_url = base_url
        self._key = key
        # Tenacity asks again, not the client: one place that counts and waits.
        self._client = openai.AsyncOpenAI(
            api_key=key,
            base_url=base_url,
            max_retries=0,
            timeout=300,
            # No proxy leads to this machine.
            http_client=openai.DefaultAsyncHttpxClient(trust_env=False) if on_this_machine(base_url) else None,
        )
        self._unknown: set[str] = set()

    async def complete(self, request: Request) -> Reply:
        """Answer one request; parameters that the server does not know are left out from then on."""
        if request.schema and "response_format" in self._unknown:
            raise UnsupportedError(f"{self._base_url} does not know response_format", "response_format")
        while True:
            body = self._body(request)
            try:
                answer = await self._post("/completions" if request.prompt else "/chat/completions", body)
            except UnsupportedError as error:
                self._unknown.add(error.name)
                if error.name not in {*SPARE, *RENAMED}:
                    raise
                continue
            return _reply(answer)

    async def close(self) -> None:
        """Close the connections, and let go of the owner."""
        await self._client.close()
        self._owner = None

    def _body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {"model": request.model.partition("/")[2], "seed": request.seed}
        if request.prompt:
            body["prompt"] = request.prompt
        else:
            body["messages"] = [{"role": message.role, "content": message.content} for message in request.messages]
        if request.stop:
            body["stop"] = list(request.stop)
        if request.logprobs:
            body["logprobs"] = 1
        if request.schema:
            schema = {"name": "answer", "strict": True, "schema": json.loads(request.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        body |= request.sampling.model_dump(exclude_none=True)
        for name in self._unknown & body.keys():
            value = body.pop(name)
            if name in RENAMED:
                body[RENAMED[name]] = value
        return body

    async def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        try:
            # The untyped call: building and checking the package's request and response models costs as much
            # as the request itself, and a server that leaves out a field must not be a crash.
            return await self._client.post(path, body=dict(body), cast_to=object)
        except openai.APIStatusError as error:
            raise await self._status(error, body) from error
        except openai.APITimeoutError as error:
            raise TransientError(f"no answer from {self._base_url} within 300 s") from error
        except openai.APIConnectionError as error:
            raise TransientError(f"no connection to {self._base_url}: is the server running?") from error
        except (ValueError, openai.APIError) as error:
            # A 200 whose body is no JSON: half a reply, or a proxy's error page.
            raise TransientError(f"{self._base_url} sent a reply that is not JSON") from error

    async def _status(self, error: openai.APIStatusError, body: Mapping[str, Any]) -> ProviderError:
        # The key goes before the end of a long message is cut off, or half of it would be left.
        code, text = error.status_code, self._hide(_message(error))[:300]
        if code == 404:
            return SetupError(await self._no_such_model(str(body["model"]), text))
        if problem := self._hopeless(error, code, text):
            return SetupError(problem)
        if code in {408, 409, 425, 429} or code >= 500:
            return TransientError(f"{self._base_url} answered {code}: {text}", _retry_after(error.response.headers))
        if named := _named(error, text, body):
            return UnsupportedError(f"{self._base_url} does not know {named}: {text}", named)
        return RequestRefusedError(f"{self._base_url} refused the request (status {code}): {text}")

    def _hopeless(self, error: openai.APIStatusError, code: int, text: str) -> str:
        """Say why no request will be answered before the user has done something, or nothing."""
        if code in {401, 403}:
            return f"{self._base_url} refused the key (status {code}): {text}"
        if code == 429 and error.code == "insufficient_quota":
            return f"{self._base_url}: no credit left: {text}"
        wait = _retry_after(error.response.headers) or 0.0
        if wait > LONGEST_WAIT:
            return f"{self._base_url} asks to wait {wait:.0f} s; run again then ({code}: {text})"
        return ""

    async def _no_such_model(self, name: str, text: str) -> str:
        try:
            listed = await self._client.get("/models", cast_to=object)
            known = [str(row["id"]) for row in listed["data"]]  # type: ignore[index] # the except below is the check
        except (openai.OpenAIError, KeyError, TypeError, ValueError):
            known = []
        few = f"; it has: {', '.join(sorted(known)[:10])}" if known else ""
        if not known and not self._base_url.rstrip("/").endswith("/v1"):
            few = f": {text} (most base URLs end in /v1)"
        return f"{self._base_url} has no model {name!r}{nearest(name, known)}{few or f': {text}'}"

    def _hide(self, text: str) -> str:
        """Servers like to quote the key that they refuse."""
        return text if self._key == NO_KEY else text.replace(self._key, "***")


def _message(error: openai.APIStatusError) -> str:
    body = error.body
    if isinstance(body, dict):
        inner = body.get("error", body)
        text = inner.get("message", inner) if isinstance(inner, dict) else inner
    else:
        text = body or error.message
    return " ".join(str(text).split())


def _named(error: openai.APIStatusError, text: str, body: Mapping[str, Any]) -> str | None:
    """Return the parameter that the server refused, if it is one that can be done without."""
    sent = [name for name in (*SPARE, *RENAMED, "response_format") if name in body]
    if not _NOT_KNOWN.search(f"{error.code} {text}"):
        sent = ["response_format"] if "response_format" in sent else []
    if error.param in sent:
        return error.param
    for name in sent:
        # Not everybody quotes response_format, and it is no word of plain English.
        if f"'{name}'" in text or f"`{name}`" in text or (name == "response_format" and name in text):
            return name
    return None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit)
        except (KeyError, ValueError):
            continue
    try:
        return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    except (KeyError, ValueError):
        return None


def _reply(answer: Any) -> Reply:
    """Take what is needed from the answer; raises TransientError where it is not there."""
    try:
        choice = answer["choices"][0]
        text = choice["text"] if "text" in choice else choice["message"].get("content")
        if text is None:
            refusal = choice["message"].get("refusal")
            if refusal:
                return Reply(_text(refusal), "content_filter")
            text = ""
        finish: Any = choice.get("finish_reason") or "stop"
        usage = answer.get("usage") or {}
        return Reply(
            text=_THOUGHT.sub("", _text(text)),
            finish=finish if finish in {"stop", "length", "content_filter"} else "stop",
            tokens_in=int(usage.get("prompt_tokens") or 0),
            tokens_out=int(usage.get("completion_tokens") or 0),
            logprob=_mean_logprob(choice.get("logprobs")),
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise TransientError("the server's reply holds no choice") from error


def _text(value: Any) -> str:
    """Half of a surrogate pair, as JSON can hold it, can be neither stored nor written: it becomes a question mark."""
    return str(value).encode(errors="replace").decode()


def _mean_logprob(logprobs: Any) -> float | None:
    """Read llama.cpp's shape and the one of OpenAI's completions."""
    if not logprobs:
        return None
    values = [row["logprob"] for row in logprobs.get("content") or ()] or logprobs.get("token_logprobs") or []
    return sum(values) / len(values) if values else None
