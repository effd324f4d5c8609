"""The way to a model: the store first, retries over a real wire, and nothing used that is not committed."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from synth.conversation import Message
from synth.errors import RequestRefusedError, SetupError, StoreError, TransientError
from synth.generate import ask as asking
from synth.generate.ask import Asker, Meter, Stopped
from synth.providers.base import Options, Reply, Request
from synth.providers.openai import open_openai
from synth.store import Store
from tests.server import (
    BROKEN,
    DROPPED,
    NO_CHOICE,
    NO_MODEL,
    NOT_JSON,
    Answer,
    Behaviour,
    Server,
    always,
    busy,
    fault,
    in_turn,
    reply,
    serve,
)

T = TypeVar("T")
HELLO = Request("openai/demo", (Message("user", "hello"),))
HI = reply("Hi.")
SAID = Reply("Hi.", "stop", 7, 5)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let waits double from a millisecond."""
    monkeypatch.setattr(asking._backoff, "multiplier", 0.001)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Give an open store."""
    with Store(tmp_path / "synth.db", writing=True) as opened:
        yield opened


def with_asker(server: Server, store: Store, play: Callable[[Asker, asyncio.Event], Coroutine[Any, Any, T]]) -> T:
    """Run ``play`` with an asker of four tries over this server, for ten seconds at most."""

    async def run() -> T:
        provider = open_openai("demo", Options(base_url=server.base_url))
        stop = asyncio.Event()
        try:
            async with asyncio.timeout(10):
                return await play(Asker(store, {"openai/demo": provider}, 4, stop), stop)
        finally:
            await provider.close()

    return asyncio.run(run())


def outcome(behaviour: Behaviour, store: Store, *requests: Request) -> tuple[list[Reply | BaseException], Meter, int]:
    """Ask one request after the other; return what came of each, the meter, and how often the server was asked."""

    async def play(asker: Asker, _: asyncio.Event) -> tuple[list[Reply | BaseException], Meter]:
        outcomes = [(await asyncio.gather(asker(request), return_exceptions=True))[0] for request in requests]
        return outcomes, asker.meter

    with serve(behaviour) as server:
        outcomes, meter = with_asker(server, store, play)
        return outcomes, meter, len(server.bodies)


@pytest.mark.parametrize(
    "faults",
    [
        (busy(),),
        (busy(0.01),),
        (busy(None), BROKEN),
        (BROKEN, DROPPED, NOT_JSON),
        (NO_CHOICE, fault(503, "later"), busy(0)),
    ],
    ids=["retry-after-0", "retry-after-a-bit", "backoff", "broken", "odd"],
)
def test_what_passes_is_asked_again_and_counted(store: Store, faults: tuple[Answer, ...]) -> None:
    """Transient faults are asked again until a reply comes; each one counts as a retry, the reply as one call."""
    replies, meter, asked = outcome(in_turn(*faults, HI), store, HELLO)
    assert replies == [SAID]
    assert meter == Meter(calls=1, retries=len(faults), tokens_in=7, tokens_out=5)
    assert asked == len(faults) + 1


def test_the_last_fault_is_raised_after_so_many_tries(store: Store) -> None:
    """With four tries a request is sent four times; then the last fault is raised, and nothing is stored."""
    errors, meter, asked = outcome(in_turn(busy(), busy(), busy(), BROKEN, HI), store, HELLO)
    assert [type(error) for error in errors] == [TransientError]
    assert str(errors[0]).endswith("answered 500: out of order")
    assert (meter, asked, store.totals()) == (Meter(retries=3), 4, {})


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (fault(400, "no"), RequestRefusedError),
        (fault(401, "no"), SetupError),
        (NO_MODEL, SetupError),
    ],
    ids=["refused", "key", "model"],
)
def test_what_will_not_pass_is_not_asked_again(store: Store, answer: Answer, kind: type[Exception]) -> None:
    """A refused request and a wrong set-up are raised at once, without a retry."""
    errors, meter, asked = outcome(always(answer), store, HELLO)
    assert ([type(error) for error in errors], meter, asked) == ([kind], Meter(), 1)


def test_the_server_says_how_long_to_wait() -> None:
    """Retry-After is taken as it is; without one the wait doubles up to its bound, a quarter longer at most."""
    import tenacity

    def wait(number: int, error: Exception) -> float:
        state = tenacity.RetryCallState(tenacity.AsyncRetrying(), None, (), {})
        state.attempt_number = number
        state.set_exception((type(error), error, None))
        return asking._wait(state)

    assert wait(5, TransientError("later", retry_after=7.5)) == 7.5
    for number, least in ((1, 0.001), (2, 0.002), (6, 0.032), (40, asking.LONGEST_WAIT)):
        assert least <= wait(number, TransientError("x")) <= 1.25 * least


def test_a_second_ask_comes_from_the_store(store: Store) -> None:
    """An equal request is answered from the store, without a call; another seed is another request."""
    other = Request("openai/demo", HELLO.messages, seed=1)
    replies, meter, asked = outcome(in_turn(HI, reply("Ho.")), store, HELLO, HELLO, other)
    assert replies == [SAID, SAID, Reply("Ho.", "stop", 7, 5)]
    assert (meter, asked) == (Meter(calls=2, from_store=1, tokens_in=14, tokens_out=10), 2)


def test_a_reply_is_committed_before_it_is_used(store: Store) -> None:
    """At the moment the asker returns a reply, another connection can read it."""

    async def play(asker: Asker, _: asyncio.Event) -> Reply | None:
        await asker(HELLO)
        with Store(store.path, writing=False) as reader:
            return reader.reply(HELLO.key())

    with serve(always(HI)) as server:
        assert with_asker(server, store, play) == SAID


def test_a_reply_that_cannot_be_committed_is_not_used(store: Store) -> None:
    """On a full disk the asker raises; the reply is neither returned nor counted."""
    pages = store._db.execute("pragma page_count").fetchone()[0]
    store._db.execute(f"pragma max_page_count = {pages}")
    errors, meter, asked = outcome(always(reply("long " * 5000)), store, HELLO)
    assert ([type(error) for error in errors], meter, asked) == ([StoreError], Meter(), 1)


def test_after_a_stop_nothing_is_sent(store: Store) -> None:
    """With the stop set, what is not in the store raises Stopped without a call; what is there is answered."""
    store.add_reply(HELLO.key(), "openai/demo", SAID)

    async def play(asker: Asker, stop: asyncio.Event) -> Reply:
        stop.set()
        with pytest.raises(Stopped):
            await asker(Request("openai/demo", (Message("user", "something else"),)))
        return await asker(HELLO)

    with serve(always(HI)) as server:
        assert with_asker(server, store, play) == SAID
        assert server.bodies == []


def test_a_stop_wakes_what_waits_for_its_next_try(store: Store) -> None:
    """A retry that would wait for a minute ends with Stopped as soon as the stop is set."""

    async def play(asker: Asker, stop: asyncio.Event) -> int:
        task = asyncio.create_task(asker(HELLO))
        while not asker.meter.retries:  # noqa: ASYNC110 - a meter is no event
            await asyncio.sleep(0)
        stop.set()
        with pytest.raises(Stopped):
            await task
        return asker.meter.retries

    with serve(always(busy(60))) as server:
        assert with_asker(server, store, play) == 1
        assert len(server.bodies) == 1


def test_a_fault_after_a_stop_is_a_stop(store: Store) -> None:
    """A request in flight that fails in passing after the stop was set is stopped, not a failure of its talk."""

    async def play(asker: Asker, stop: asyncio.Event) -> None:
        loop.append((asyncio.get_running_loop(), stop))
        with pytest.raises(Stopped):
            await asker(HELLO)

    def behaviour(path: str, body: dict[str, Any], number: int) -> Answer:
        running, stop = loop[0]
        running.call_soon_threadsafe(stop.set)
        return BROKEN

    loop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    with serve(behaviour) as server:
        with_asker(server, store, play)
        assert len(server.bodies) == 1


def test_a_reply_in_flight_is_kept_when_the_run_is_stopped(store: Store) -> None:
    """What the server answers after the stop was set is committed and returned: it has been paid for."""

    async def play(asker: Asker, stop: asyncio.Event) -> Reply:
        loop.append((asyncio.get_running_loop(), stop))
        return await asker(HELLO)

    def behaviour(path: str, body: dict[str, Any], number: int) -> Answer:
        running, stop = loop[0]
        running.call_soon_threadsafe(stop.set)
        return HI

    loop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    with serve(behaviour) as server:
        assert with_asker(server, store, play) == SAID
    assert store.reply(HELLO.key()) == SAID
