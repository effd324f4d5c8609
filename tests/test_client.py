"""What goes over the wire to an OpenAI-compatible server, and what comes back: over a wire."""

import asyncio
import json
import threading
from dataclasses import replace
from typing import Any

import pytest

from synth.conversation import Message
from synth.errors import (
    InputError,
    ProviderError,
    RequestRefusedError,
    SetupError,
    TransientError,
    UnsupportedError,
)
from synth.project import Sampling
from synth.providers import open_provider
from synth.providers.base import Options, Reply, Request
from synth.providers.client import OpenAIClient
from synth.providers.openai import open_openai
from tests.server import (
    BROKEN,
    CUT,
    DROPPED,
    FILTERED,
    NO_CHOICE,
    NO_MODEL,
    NOT_JSON,
    REFUSED,
    Answer,
    Behaviour,
    Server,
    always,
    busy,
    fault,
    in_turn,
    knows_not,
    nobody,
    reply,
    serve,
    talk,
)

KEY = "sk-test-0123456789abcdef"
CHAT = Request("openai/demo", (Message("system", "Be Tim."), Message("user", "hello")), seed=5)
FULL = Request(
    "openai/demo",
    (Message("user", "hello"),),
    seed=5,
    stop=("\n",),
    sampling=Sampling(temperature=0.5, top_p=0.9, min_p=0.1, repeat_penalty=1.1, max_tokens=30),
)
FULL_BODY: dict[str, Any] = {
    "model": "demo",
    "seed": 5,
    "messages": [{"role": "user", "content": "hello"}],
    "stop": ["\n"],
    "temperature": 0.5,
    "top_p": 0.9,
    "min_p": 0.1,
    "repeat_penalty": 1.1,
    "max_tokens": 30,
}


def ask(server: Server, *requests: Request, key: str = KEY) -> list[Reply]:
    """Ask one client one request after the other."""

    async def run() -> list[Reply]:
        client = OpenAIClient(server.base_url, key)
        try:
            return [await client.complete(request) for request in requests]
        finally:
            await client.close()

    return asyncio.run(run())


def error_of(behaviour: Behaviour, request: Request = CHAT, key: str = KEY) -> tuple[type[ProviderError], str]:
    """Return the kind and the message of what a request raises; SERVER stands for the base URL."""
    with serve(behaviour) as server, pytest.raises(ProviderError) as caught:
        ask(server, request, key=key)
    return type(caught.value), str(caught.value).replace(server.base_url, "SERVER")


def test_a_chat_goes_out_whole_and_comes_back_as_a_reply() -> None:
    """Messages, seed and sampling are sent under their OpenAI names; text, end and tokens come back."""
    with serve(always(reply("Hi there.", usage=(11, 3)))) as server:
        assert ask(server, FULL) == [Reply("Hi there.", "stop", 11, 3)]
        assert server.requests == [("/chat/completions", FULL_BODY)]


def test_a_plain_text_is_continued_over_the_completions_endpoint() -> None:
    """A request with a prompt goes to /completions, and the text of its choice is the reply."""
    choice = {"text": " and so on", "finish_reason": "stop"}
    with serve(always(Answer(body={"choices": [choice]}))) as server:
        assert ask(server, Request("openai/a/b", prompt="Once", stop=("\n",))) == [Reply(" and so on", "stop")]
        assert server.requests == [("/completions", {"model": "a/b", "seed": 0, "prompt": "Once", "stop": ["\n"]})]


def test_a_schema_is_sent_as_a_strict_response_format() -> None:
    """A request with a schema asks for a structured answer."""
    schema = {"type": "object"}
    with serve(always(reply("{}"))) as server:
        ask(server, Request("openai/demo", (Message("user", "x"),), schema=json.dumps(schema)))
        assert server.bodies[0]["response_format"] == {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": schema},
        }


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (CUT, Reply("and then it", "length", 7, 5)),
        (FILTERED, Reply("I should", "content_filter", 7, 5)),
        (REFUSED, Reply("I will not say that.", "content_filter")),
        (reply(None), Reply("", "stop", 7, 5)),
        (reply("x", "tool_calls"), Reply("x", "stop", 7, 5)),
        (Answer(body={"choices": [{"message": {"content": "x"}}], "usage": None}), Reply("x", "stop")),
        (Answer(body='{"choices": [{"message": {"content": "half \\ud83d"}}]}'), Reply("half ?", "stop")),
    ],
    ids=["length", "filter", "refusal", "null", "other-end", "no-usage", "half-a-character"],
)
def test_every_shape_of_reply_is_read(answer: Answer, expected: Reply) -> None:
    """Cut, filtered, refused, empty and sparse replies become the Reply that says so; the text is always Unicode."""
    with serve(always(answer)) as server:
        assert ask(server, CHAT) == [expected]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (busy(), (TransientError, "SERVER answered 429: too many requests")),
        (BROKEN, (TransientError, "SERVER answered 500: out of order")),
        (Answer(503, "<html>\n down </html>"), (TransientError, "SERVER answered 503: <html> down </html>")),
        (fault(408, "slow"), (TransientError, "SERVER answered 408: slow")),
        (DROPPED, (TransientError, "no connection to SERVER: is the server running?")),
        (NOT_JSON, (TransientError, "SERVER sent a reply that is not JSON")),
        (
            Answer(body="hi", headers={"content-type": "text/plain"}),
            (TransientError, "the server's reply holds no choice"),
        ),
        (NO_CHOICE, (TransientError, "the server's reply holds no choice")),
        (Answer(body=[1]), (TransientError, "the server's reply holds no choice")),
        (fault(400, "too long", code="x"), (RequestRefusedError, "SERVER refused the request (status 400): too long")),
        (
            fault(400, "'model' is odd"),
            (RequestRefusedError, "SERVER refused the request (status 400): 'model' is odd"),
        ),
        (
            Answer(400, {"detail": "no"}),
            (RequestRefusedError, "SERVER refused the request (status 400): {'detail': 'no'}"),
        ),
        (Answer(400, {"error": "no"}), (RequestRefusedError, "SERVER refused the request (status 400): no")),
        (fault(403, "not here"), (SetupError, "SERVER refused the key (status 403): not here")),
        (fault(429, "pay", code="insufficient_quota"), (SetupError, "SERVER: no credit left: pay")),
    ],
)
def test_every_fault_becomes_the_right_error(answer: Answer, expected: tuple[type[ProviderError], str]) -> None:
    """What may pass is transient, what concerns one request is refused, what concerns all is a set-up error."""
    assert error_of(always(answer)) == expected


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.01"}, 0.01),
        ({"retry-after-ms": "30", "retry-after": "2"}, 0.03),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_the_time_to_wait_is_read_from_the_headers(headers: dict[str, str], seconds: float | None) -> None:
    """Retry-After in seconds or milliseconds is kept with the error; a date or nothing leaves it open."""
    with serve(always(fault(429, "later", headers))) as server, pytest.raises(TransientError) as caught:
        ask(server, CHAT)
    assert caught.value.retry_after == seconds


def test_a_server_that_is_down_is_said_in_one_line() -> None:
    """Nothing listens on the port: a transient error that names the address."""
    client = OpenAIClient(url := nobody(), KEY)

    async def run() -> None:
        try:
            await client.complete(CHAT)
        finally:
            await client.close()

    with pytest.raises(TransientError) as caught:
        asyncio.run(run())
    assert str(caught.value) == f"no connection to {url}: is the server running?"


def test_unknown_parameters_are_left_out_from_then_on() -> None:
    """Each refused parameter is dropped, max_tokens gets its newer name, and the next request sends none of them."""
    names = ("seed", "temperature", "top_p", "min_p", "repeat_penalty", "max_tokens")
    lean = {"model": "demo", "messages": FULL_BODY["messages"], "stop": ["\n"], "max_completion_tokens": 30}
    with serve(knows_not(*names)) as server:
        assert len(ask(server, FULL, FULL)) == 2
        assert server.bodies[0] == FULL_BODY
        assert server.bodies[len(names) :] == [lean, lean]


def test_two_requests_in_flight_learn_the_same_parameter() -> None:
    """Requests that were sent together and refused for the same parameter are both sent again without it."""
    together = threading.Barrier(2)

    def behaviour(path: str, body: dict[str, Any], number: int) -> Answer:
        if number < 2:
            together.wait(timeout=10)
        return knows_not("seed")(path, body, number)

    async def run(url: str) -> int:
        client = OpenAIClient(url, KEY)
        try:
            return len(await asyncio.gather(client.complete(CHAT), client.complete(CHAT)))
        finally:
            await client.close()

    with serve(behaviour) as server:
        assert asyncio.run(run(server.base_url)) == 2
        assert ["seed" in body for body in server.bodies] == [True, True, False, False]


@pytest.mark.parametrize(
    ("param", "message"),
    [
        ("response_format", "no such thing"),
        ("response_format", "'temperature' is fine, 'response_format' is not"),
        (None, "unknown field `response_format`"),
        (None, "the 'model' does not know 'response_format'"),
        (None, "This response_format type is unavailable now"),
    ],
)
def test_a_server_without_structured_answers_says_so(param: str | None, message: str) -> None:
    """A refused response_format is never left out in silence: the caller is told to ask otherwise."""
    request = replace(FULL, schema='{"type": "object"}')
    kind, text = error_of(always(fault(400, message, param=param)), request)
    assert (kind, text) == (UnsupportedError, f"SERVER does not know response_format: {message}")


def test_a_parameter_that_stays_refused_is_not_asked_for_ever() -> None:
    """A server that refuses everything ends in a refusal, after each parameter was left out once."""
    with (
        serve(always(fault(400, "unknown: `seed`", param="seed"))) as server,
        pytest.raises(RequestRefusedError) as caught,
    ):
        ask(server, CHAT)
    assert (type(caught.value), len(server.bodies)) == (RequestRefusedError, 2)


def test_a_model_that_is_not_there_brings_the_nearest_name() -> None:
    """A 404 asks the server for its models and names the nearest one."""
    request = Request("openai/dem", (Message("user", "x"),))
    expected = "SERVER has no model 'dem' (did you mean 'demo'?); it has: demo, demo-large"
    assert error_of(always(NO_MODEL), request) == (SetupError, expected)


def test_a_server_that_lists_no_models_is_quoted() -> None:
    """Where the list of models cannot be had either, the server's own words stand in for it."""
    with serve(always(NO_MODEL), models=()) as server, pytest.raises(SetupError) as caught:
        ask(server, CHAT)
    assert str(caught.value) == f"{server.base_url} has no model 'demo': the model does not exist"
    assert [path for path, _ in server.requests] == ["/chat/completions", "/models"]


def test_a_server_that_does_not_answer_is_transient() -> None:
    """When the time for an answer is over, the request may be sent again."""

    async def run(url: str) -> None:
        client = OpenAIClient(url, KEY)
        client._client.timeout = 0.05
        try:
            await client.complete(CHAT)
        finally:
            await client.close()

    with serve(always(replace(reply("late"), delay=60))) as server, pytest.raises(TransientError) as caught:
        asyncio.run(run(server.base_url))
    assert str(caught.value) == f"no answer from {server.base_url} within 300 s"


@pytest.mark.parametrize("status", [401, 400, 500])
def test_the_key_is_in_no_error(status: int) -> None:
    """A server that quotes the key, even across the place where a long message ends, does not bring it on a screen."""
    for before in (0, 270, 290):
        _, text = error_of(always(fault(status, "x" * before + f" bad key {KEY}, mend it")))
        assert KEY[:8] not in text


def test_what_stands_for_no_key_is_no_secret() -> None:
    """Without a key, the server's words stay as they are."""
    assert (
        error_of(always(fault(400, "there are none")), key="none")[1]
        == "SERVER refused the request (status 400): there are none"
    )


def test_a_remote_server_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening costs nothing; the first request without a key is a set-up error in one line."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    provider = open_openai("demo", Options(base_url="https://models.example/v1"))
    with pytest.raises(SetupError) as caught:
        asyncio.run(provider.complete(CHAT))
    expected = "no key for https://models.example/v1: set OPENAI_API_KEY in the environment, or another --base-url"
    assert (str(caught.value), provider.traits.paid) == (expected, True)


def test_a_loopback_server_needs_no_key_and_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server on this machine is asked without a key, and never by way of a proxy."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, nobody().removesuffix("/v1"))
    with serve(in_turn(reply("Hi."), then=talk)) as server:
        provider = open_openai("demo", Options(base_url=server.base_url))

        async def run() -> Reply:
            try:
                return await provider.complete(CHAT)
            finally:
                await provider.close()

        assert (asyncio.run(run()), provider.traits.paid) == (Reply("Hi.", "stop", 7, 5), False)


@pytest.mark.parametrize(
    "base_url",
    ["localhost:8000/v1", "http://", "http:///v1", "http://[::1/v1", "ftp://host", "http://h:abc/v1", "http://h:99999"],
)
def test_a_base_url_that_is_none_is_said_at_once(base_url: str) -> None:
    """A base URL without its scheme or its host is refused when the provider is opened."""
    with pytest.raises(InputError) as caught:
        open_openai("demo", Options(base_url=base_url))
    assert str(caught.value) == f"the base URL {base_url!r} is none; expected one like http://localhost:8000/v1"


def test_thoughts_before_an_answer_are_no_answer() -> None:
    """What a reasoning model's server leaves in the text before the answer is taken off."""
    with serve(always(reply("<think>\nA child. Be kind.\n</think>\n\nHello there."))) as server:
        assert ask(server, CHAT)[0].text == "Hello there."


def test_a_schema_that_is_not_known_is_asked_for_once() -> None:
    """A server that does not know response_format is not bothered with it again."""
    request = replace(CHAT, schema='{"type": "object"}')

    async def run(url: str) -> list[str]:
        client = OpenAIClient(url, KEY)
        said = []
        for _ in range(2):
            with pytest.raises(UnsupportedError) as caught:
                await client.complete(request)
            said.append(str(caught.value))
        await client.close()
        return said

    with serve(knows_not("response_format")) as server:
        said = asyncio.run(run(server.base_url))
        assert len(server.bodies) == 1
    assert [text.partition(" does")[2].partition(":")[0] for text in said] == [" not know response_format"] * 2


def test_a_value_that_is_refused_is_not_dropped_in_silence() -> None:
    """A parameter that the server knows, with a value that it does not take, is the user's to mend."""
    answer = fault(400, "'temperature' must be at most 1", param="temperature")
    assert error_of(always(answer), FULL) == (
        RequestRefusedError,
        "SERVER refused the request (status 400): 'temperature' must be at most 1",
    )


def test_a_long_wait_is_for_the_user_to_decide() -> None:
    """A server that asks for an hour ends the run with one line, and nobody waits in silence."""
    answer = fault(429, "slow down", {"retry-after": "3600"})
    assert error_of(always(answer)) == (SetupError, "SERVER asks to wait 3600 s; run again then (429: slow down)")


def test_a_key_that_cannot_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A placeholder copied from a page is told before anything is sent."""
    monkeypatch.setenv("OPENAI_API_KEY", "…")
    provider = open_provider("openai/demo", Options("http://localhost:1/v1"))
    with pytest.raises(SetupError) as caught:
        asyncio.run(provider.complete(CHAT))
    assert str(caught.value) == "the key in OPENAI_API_KEY is none: it holds other characters than letters and digits"
