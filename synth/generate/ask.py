"""The way to a model: from the store where it was asked before, else with retries, committed before it is used."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import tenacity

from synth.errors import TransientError
from synth.providers.base import Provider, Reply, Request
from synth.store import Store

#: Seconds between tries where the server does not name them: doubling from the first to the last, plus up to a quarter.
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0


class Stopped(BaseException):
    """The user has asked to stop: no new request is sent. No Exception, so that nothing on the way handles it."""


@dataclass(slots=True)
class Meter:
    """What was asked and answered."""

    calls: int = 0
    from_store: int = 0
    retries: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


class Asker:
    """Asks the providers of a run; ``meter`` adds up what they were asked, ``changed`` is called with each retry."""

    def __init__(self, store: Store, providers: Mapping[str, Provider], retries: int, stop: asyncio.Event) -> None:
        self._store = store
        self._providers = providers
        self._stop = stop
        self._retries = retries
        self.meter = Meter()
        self.changed: Callable[[], None] = lambda: None

    async def __call__(self, request: Request) -> Reply:
        """Return the reply to a request.

        Raises what the provider raised, after the last try where another one may have helped, and Stopped.
        """
        key = request.key()
        reply = self._store.reply(key)
        if reply is not None:
            self.meter.from_store += 1
            return reply
        reply = await self._fetch(request)
        self._store.add_reply(key, request.model, reply)
        self.meter.calls += 1
        self.meter.tokens_in += reply.tokens_in
        self.meter.tokens_out += reply.tokens_out
        return reply

    async def _fetch(self, request: Request) -> Reply:
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            stop=tenacity.stop_after_attempt(self._retries),
            wait=_wait,
            before_sleep=self._count_retry,
            sleep=self._sleep,
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                if self._stop.is_set():
                    raise Stopped
                return await self._providers[request.model].complete(request)
        raise AssertionError("tenacity returns or raises")  # pragma: no cover - unreachable, for the type checker

    def _count_retry(self, _: tenacity.RetryCallState) -> None:
        self.meter.retries += 1
        self.changed()

    async def _sleep(self, seconds: float) -> None:
        """Sleep, and wake when the user stops the run."""
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return


_backoff = tenacity.wait_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT)
_jitter = tenacity.wait_random(0, 0.25)


def _wait(state: tenacity.RetryCallState) -> float:
    """Wait as long as the server asks for, else ever longer, and never in step with the other talks."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, TransientError) and error.retry_after is not None:
        return error.retry_after
    return _backoff(state) * (1 + _jitter(state))
