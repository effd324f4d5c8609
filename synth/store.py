"""The SQLite file behind a project: replies, talks, rejects, failures.

WAL mode, every change a transaction of its own, one writing run at a time. A reply is committed before it is
used, so a process killed at any moment loses nothing that was committed. (``synchronous=normal``: a killed
process loses nothing; a power cut may lose the last moment's commits, and never damages the file.)
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from synth.conversation import Transcript, Turn
from synth.errors import StoreError
from synth.providers.base import Reply
from synth.topics import Topic

VERSION = 1

_SCHEMA = """
create table reply (
    key text primary key, model text not null, text text not null, finish text not null,
    tokens_in integer not null, tokens_out integer not null, logprob real
) strict, without rowid;
create table transcript (
    id text primary key, category text not null, topic text not null, audience text not null, take integer not null,
    model text not null, turns text not null, made_with text not null, attempt integer not null,
    tokens_in integer not null, tokens_out integer not null
) strict, without rowid;
create table reject (
    id text not null, attempt integer not null, category text not null, topic text not null, model text not null,
    reason text not null, detail text not null, turns text not null,
    primary key (id, attempt)
) strict, without rowid;
create table failure (
    id text primary key, category text not null, topic text not null, model text not null, error text not null
) strict, without rowid;
create table seen_topic (
    persona text not null, category text not null, topic text not null,
    primary key (persona, category, topic)
) strict, without rowid;
"""


@dataclass(frozen=True, slots=True)
class Made:
    """An accepted transcript with its provenance.

    ``made_with`` maps each thing that shaped it (a template, the persona, the model, ...) to its fingerprint.
    """

    transcript: Transcript
    made_with: dict[str, str]
    attempt: int
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class Reject:
    """A talk that was made and not accepted."""

    id: str
    attempt: int
    category: str
    topic: str
    model: str
    reason: str
    detail: str
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """A talk that could not be made, with its error."""

    id: str
    category: str
    topic: str
    model: str
    error: str


class Store:
    """An open store. Use as a context manager; ``writing`` takes the lock that only one run can hold."""

    def __init__(self, path: Path, *, writing: bool) -> None:
        self.path = path
        self._lock: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if writing:
                self._lock = self._take_lock()
            self._db = sqlite3.connect(path, isolation_level=None, timeout=10)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise
        except StoreError:
            self._release()
            raise
        except (sqlite3.Error, OSError) as error:
            self._release()
            raise _translated(path, error) from error

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file and let go of the lock."""
        self._db.close()
        self._release()

    def _take_lock(self) -> sqlite3.Connection:
        """Begin an exclusive transaction on a file of its own: works on every system, ends with the process."""
        lock = sqlite3.connect(self.path.with_suffix(".lock"), isolation_level=None, timeout=0)
        try:
            lock.execute("begin exclusive")
        except sqlite3.OperationalError as error:
            lock.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise StoreError(f"{self.path} is in use by another synth run; wait for it, or stop it") from error
            raise
        return lock

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _prepare(self) -> None:
        version = self._db.execute("pragma user_version").fetchone()[0]
        if version > VERSION:
            raise StoreError(
                f"{self.path} was made by a newer synth (store version {version}, here {VERSION}); update synth"
            )
        self._db.executescript("pragma journal_mode = wal; pragma synchronous = normal;")
        if version < VERSION:
            self._db.executescript(f"begin immediate; {_SCHEMA} pragma user_version = {VERSION}; commit;")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Translate what can go wrong while writing, and leave no transaction open behind it."""
        try:
            yield self._db
        except BaseException as error:
            if self._db.in_transaction:
                self._db.rollback()
            if isinstance(error, sqlite3.Error):
                raise _translated(self.path, error) from error
            raise

    def _rows(self, query: str, *values: str) -> Iterator[Any]:
        """Give the rows of a query; what can go wrong while reading is translated."""
        try:
            yield from self._db.execute(query, values)
        except sqlite3.Error as error:
            raise _translated(self.path, error) from error

    # Replies

    def reply(self, key: str) -> Reply | None:
        """Return the reply to the request with this key, if it was ever committed."""
        query = "select text, finish, tokens_in, tokens_out, logprob from reply where key = ?"
        return next((Reply(*row) for row in self._rows(query, key)), None)

    def add_reply(self, key: str, model: str, reply: Reply) -> None:
        """Commit a reply."""
        with self._writing() as db:
            row = (key, model, reply.text, reply.finish, reply.tokens_in, reply.tokens_out, reply.logprob)
            db.execute("insert or ignore into reply values (?, ?, ?, ?, ?, ?, ?)", row)

    # Talks

    def add(self, made: Made) -> None:
        """Commit an accepted transcript; what failed before it is forgotten."""
        talk = made.transcript
        with self._writing() as db:
            row = (
                *(talk.id, talk.category, talk.topic, talk.audience, talk.take, talk.model, _dump(talk.turns)),
                *(json.dumps(made.made_with, sort_keys=True), made.attempt, made.tokens_in, made.tokens_out),
            )
            db.execute("begin immediate")
            db.execute("insert or ignore into transcript values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            db.execute("delete from failure where id = ?", (talk.id,))
            db.execute("commit")

    def add_reject(self, reject: Reject) -> None:
        """Commit a talk that was not accepted."""
        with self._writing() as db:
            row = (
                *(reject.id, reject.attempt, reject.category, reject.topic, reject.model),
                *(reject.reason, reject.detail, _dump(reject.turns)),
            )
            db.execute("insert or ignore into reject values (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def add_failure(self, failure: Failure) -> None:
        """Commit a talk that could not be made; the last error is kept."""
        with self._writing() as db:
            row = (failure.id, failure.category, failure.topic, failure.model, failure.error)
            db.execute("insert or replace into failure values (?, ?, ?, ?, ?)", row)

    def made(self) -> Iterator[Made]:
        """Give all accepted transcripts, by id."""
        for *talk, turns, made_with, attempt, tokens_in, tokens_out in self._rows("select * from transcript"):
            transcript = Transcript(*(*talk, _load(turns)))
            yield Made(transcript, json.loads(made_with), attempt, tokens_in, tokens_out)

    def transcript(self, id_: str) -> Transcript:
        """Return one accepted transcript; raises KeyError."""
        query = "select id, category, topic, audience, take, model, turns from transcript where id = ?"
        for *head, turns in self._rows(query, id_):
            return Transcript(*(*head, _load(turns)))
        raise KeyError(id_)

    def accepted_ids(self) -> set[str]:
        """Return the ids of all accepted transcripts."""
        return {row[0] for row in self._rows("select id from transcript")}

    def rejects(self) -> Iterator[Reject]:
        """Give all rejected talks, by id and attempt."""
        for *head, turns in self._rows("select * from reject"):
            yield Reject(*(*head, _load(turns)))

    def attempts(self) -> Counter[str]:
        """Return how often each scenario was played and rejected."""
        return Counter(dict(self._rows("select id, max(attempt) + 1 from reject group by id")))

    def failures(self) -> Iterator[Failure]:
        """Give all failures, by id."""
        for row in self._rows("select * from failure"):
            yield Failure(*row)

    def totals(self) -> dict[str, tuple[int, int, int]]:
        """Return calls, tokens in and tokens out of all committed replies, by model."""
        query = "select model, count(*), sum(tokens_in), sum(tokens_out) from reply group by model"
        return {model: (calls, tokens_in, tokens_out) for model, calls, tokens_in, tokens_out in self._rows(query)}

    # Topics

    def seen_topics(self, persona: str) -> set[tuple[str, str]]:
        """Return the keys of the topics that earlier runs of this persona knew."""
        return set(self._rows("select category, topic from seen_topic where persona = ?", persona))

    def add_seen_topics(self, persona: str, topics: Iterable[Topic]) -> None:
        """Commit that these topics are known."""
        with self._writing() as db:
            db.execute("begin immediate")
            rows = [(persona, *topic.key) for topic in topics]
            db.executemany("insert or ignore into seen_topic values (?, ?, ?)", rows)
            db.execute("commit")


def _dump(turns: Iterable[Turn]) -> str:
    return json.dumps([[turn.speaker, turn.text] for turn in turns], ensure_ascii=False)


def _load(turns: str) -> tuple[Turn, ...]:
    return tuple(Turn(speaker, text) for speaker, text in json.loads(turns))


def _translated(path: Path, error: Exception) -> StoreError:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_FULL or getattr(error, "errno", None) == 28:
        return StoreError(f"{path}: the disk is full; make room and run again, nothing that was committed is lost")
    if code == sqlite3.SQLITE_NOTADB:
        return StoreError(f"{path} is not a synth store; move it away, or set another data folder")
    return StoreError(f"{path}: {error}")
