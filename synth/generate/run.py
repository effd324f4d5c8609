"""Play what is not played yet: workers that take scenarios, play them, and commit what came of it."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from synth.conversation import PERSONA, USER, Transcript
from synth.errors import ProviderError, SetupError
from synth.generate import continuation, duet, transcript
from synth.generate.ask import Asker, Meter, Stopped
from synth.generate.cast import Cast, Play, Side
from synth.generate.guards import Rejected, check_talk
from synth.generate.plan import Plan, Scenario
from synth.project import Project
from synth.providers.base import Provider, Reply, Request
from synth.store import Failure, Made, Reject, Store
from synth.topics import Topic

MODES: Mapping[str, Play] = {"duet": duet.play, "transcript": transcript.play, "continue": continuation.play}

#: Talks in a row that fail, or are rejected, before a run ends by itself.
FAILURES_TO_STOP, REJECTS_TO_STOP = 3, 20


@dataclass(slots=True)
class Progress:
    """Where a run stands. ``asked``, ``wanted`` and ``accepted`` count earlier runs too, the rest this one.

    ``asked`` is what the user wants, ``wanted`` is what can be had of it: less, where there are not enough scenarios
    or ``closed`` ones were given up in earlier runs.
    """

    asked: int
    wanted: int
    accepted: int
    before: int
    closed: int = 0
    playing: int = 0
    rejected: int = 0
    given_up: int = 0
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    last_error: str = ""
    meter: Meter = field(default_factory=Meter)


class Queue:
    """Which scenario is next: first one of each new topic, then of the category that has least.

    ``wanted`` counts accepted talks over all runs. A talk that is given up is replaced by the next of its category.
    """

    def __init__(
        self, plan: Plan, wanted: int, done: set[str], closed: set[str], fresh: Iterable[tuple[str, str]]
    ) -> None:
        self._wanted = wanted
        self._have: Counter[str] = Counter()
        self._open: dict[str, deque[Scenario]] = {}
        for category, scenarios in plan.by_category().items():
            self._have[category] = sum(scenario.id in done for scenario in scenarios)
            self._open[category] = deque(s for s in scenarios if s.id not in done and s.id not in closed)
        self._first = self._of_fresh(set(fresh))

    def _of_fresh(self, fresh: set[tuple[str, str]]) -> deque[Scenario]:
        """Take one scenario of each new topic, at most as many as are wanted in all."""
        first: dict[tuple[str, str], Scenario] = {}
        for scenarios in self._open.values():
            for scenario in scenarios:
                if topic_key(scenario) in fresh and len(first) < self._wanted:
                    first.setdefault(topic_key(scenario), scenario)
        for scenario in first.values():
            self._open[scenario.category].remove(scenario)
        return deque(first.values())

    @property
    def total(self) -> int:
        """How many accepted talks there will be if none is given up."""
        left = sum(len(scenarios) for scenarios in self._open.values())
        have = self._have.total() + len(self._first)
        return max(have, min(self._wanted, have + left))

    def take(self) -> Scenario | None:
        """Return the next scenario, counted as accepted until it is given back."""
        if self._first:
            scenario = self._first.popleft()
        else:
            categories = [category for category, scenarios in self._open.items() if scenarios]
            if not categories or self._have.total() >= self._wanted:
                return None
            scenario = self._open[min(categories, key=self._have.__getitem__)].popleft()
        self._have[scenario.category] += 1
        return scenario

    def give_back(self, scenario: Scenario) -> None:
        """Say that no talk came of a scenario, so that another one is played in its place."""
        self._have[scenario.category] -= 1


def topic_key(scenario: Scenario) -> tuple[str, str]:
    """Return what makes its topic the same topic: see :attr:`synth.topics.Topic.key`."""
    return Topic(scenario.category, scenario.topic).key


class Run:
    """One run of generation over a plan and a store.

    ``watch`` is called with the progress whenever it changed. ``stop`` ends the run: no new request is sent.
    """

    def __init__(
        self, project: Project, plan: Plan, store: Store, providers: Mapping[str, Provider], wanted: int | None = None
    ) -> None:
        settings = project.settings
        self._store = store
        self._attempts = settings.attempts
        self._persona = project.persona
        self._cast = make_cast(project, providers)
        self._concurrency = settings.concurrency or providers[settings.model].traits.concurrency
        self._rejected = store.attempts()
        self._topics = {topic.key: topic for topic in project.topics}
        seen = store.seen_topics(self._persona.name)
        # In a first run no topic is new.
        self._fresh = self._topics.keys() - seen if seen else set()
        ids = {scenario.id for scenario in plan.scenarios}
        done = ids & store.accepted_ids()
        closed = given_up(ids - done, self._rejected, self._attempts)
        asked = len(ids) if wanted is None else wanted
        self._queue = Queue(plan, asked, done, closed, self._fresh)
        self._failures_in_a_row = self._rejects_in_a_row = 0
        self.stop = asyncio.Event()
        self._ask = Asker(store, providers, settings.retries, self.stop)
        self.progress = Progress(asked, self._queue.total, len(done), len(done), len(closed), meter=self._ask.meter)

    @property
    def fresh(self) -> list[Topic]:
        """The topics that no earlier run knew; empty in a first run."""
        return [self._topics[key] for key in sorted(self._fresh)]

    async def play(self, watch: Callable[[Progress], None]) -> Progress:
        """Play until enough talks are accepted, nothing is left, or ``stop`` is set.

        Raises SetupError when nothing more can be asked, after what was in flight has ended.
        """
        known = (topic for key, topic in self._topics.items() if key not in self._fresh)
        self._store.add_seen_topics(self._persona.name, known)
        self._ask.changed = lambda: watch(self.progress)
        results = await asyncio.gather(*(self._work(watch) for _ in range(self._concurrency)), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, Stopped):
                raise result
        return self.progress

    async def _work(self, watch: Callable[[Progress], None]) -> None:
        try:
            while not self.stop.is_set() and (scenario := self._queue.take()):
                self.progress.playing += 1
                watch(self.progress)
                if not await self._settle(scenario, watch):
                    self._queue.give_back(scenario)
                self.progress.playing -= 1
                watch(self.progress)
        except BaseException:
            # Nothing more can be asked or written, or the user has had enough: the other workers end as well.
            self.stop.set()
            raise

    async def _settle(self, scenario: Scenario, watch: Callable[[Progress], None]) -> bool:
        """Play a scenario until it is accepted or given up; return whether it was accepted."""
        for attempt in range(self._rejected[scenario.id], self._attempts):
            meter = Meter()
            try:
                made = await self._play(scenario, attempt, meter, watch)
            except Rejected as rejected:
                self._reject(scenario, attempt, rejected)
                watch(self.progress)
                continue
            except SetupError:
                raise
            except ProviderError as error:
                self._fail(scenario, error)
                return False
            self._store.add(made)
            self._failures_in_a_row = self._rejects_in_a_row = 0
            self.progress.accepted += 1
            self._mark_seen(scenario)
            return True
        self.progress.given_up += 1
        self._mark_seen(scenario)
        return False

    async def _play(self, scenario: Scenario, attempt: int, meter: Meter, watch: Callable[[Progress], None]) -> Made:
        async def ask(request: Request) -> Reply:
            reply = await self._ask(request)
            meter.tokens_in += reply.tokens_in
            meter.tokens_out += reply.tokens_out
            watch(self.progress)
            return reply

        turns = await MODES[scenario.mode](scenario, self._cast, ask, attempt)
        try:
            check_talk(turns, scenario, self._persona)
        except Rejected as rejected:
            rejected.turns = turns
            raise
        head = (scenario.id, scenario.category, scenario.topic, scenario.audience, scenario.take)
        talk = Transcript(*head, scenario.made_with["model"], turns)
        return Made(talk, dict(scenario.made_with), attempt, meter.tokens_in, meter.tokens_out)

    def _reject(self, scenario: Scenario, attempt: int, rejected: Rejected) -> None:
        head = (scenario.id, attempt, scenario.category, scenario.topic, scenario.made_with["model"])
        self._store.add_reject(Reject(*head, rejected.reason, rejected.detail, rejected.turns))
        self.progress.rejected += 1
        self.progress.reasons[rejected.reason] += 1
        self._failures_in_a_row = 0
        self._rejects_in_a_row += 1
        most = max(REJECTS_TO_STOP, 3 * self._concurrency)
        if self._rejects_in_a_row >= most and not self.stop.is_set():
            why = ", ".join(f"{reason} {number}" for reason, number in self.progress.reasons.most_common())
            raise SetupError(
                f"{self._rejects_in_a_row} talks in a row were rejected ({why}); before more are paid for, look at the "
                "prompts: synth plan --show 1"
            )

    def _fail(self, scenario: Scenario, error: ProviderError) -> None:
        head = (scenario.id, scenario.category, scenario.topic, scenario.made_with["model"])
        self._store.add_failure(Failure(*head, str(error)))
        self.progress.failed += 1
        self.progress.last_error = str(error)
        self._failures_in_a_row += 1
        # As long as nothing was ever answered, a few failures are enough to know that nothing will be.
        few = FAILURES_TO_STOP if self.progress.meter.calls == 0 else max(FAILURES_TO_STOP, self._concurrency)
        if self._failures_in_a_row >= few and not self.stop.is_set():
            raise SetupError(f"{self._failures_in_a_row} talks in a row failed; the last: {error}") from error

    def _mark_seen(self, scenario: Scenario) -> None:
        """Note that a new topic has had its turn: a talk that failed does not count, and is played first again."""
        key = topic_key(scenario)
        if key in self._fresh:
            self._store.add_seen_topics(self._persona.name, [self._topics[key]])


def given_up(pending: Iterable[str], rejected: Mapping[str, int], attempts: int) -> set[str]:
    """Return which of the pending scenarios' ids were rejected as often as they may be."""
    return {id_ for id_ in pending if rejected.get(id_, 0) >= attempts}


def make_cast(project: Project, providers: Mapping[str, Provider]) -> Cast:
    """Put the persona, its templates and the models behind both sides together."""
    settings = project.settings
    persona_model, user_model = settings.model, settings.user_model or settings.model
    sides = {
        speaker: Side(model, settings.sampling.over(providers[model].traits.sampling))
        for speaker, model in ((PERSONA, persona_model), (USER, user_model))
    }
    return Cast(project.persona, project.templates, sides)
