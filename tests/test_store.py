"""The SQLite file: what is written is read back, durable at once, and every fault is one line."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.conversation import Transcript, Turn
from synth.errors import StoreError
from synth.providers.base import Reply
from synth.store import VERSION, Failure, Made, Reject, Store
from synth.topics import Topic

#: All that a store can be given: any Unicode text, with NUL, line ends and what lies beyond the first plane.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
COUNT = st.integers(0, 2**40)
TURNS = st.lists(st.builds(Turn, TEXT, TEXT), max_size=4).map(tuple)
LOGPROB = st.none() | st.floats(max_value=0, allow_nan=False)
REPLY = st.builds(Reply, TEXT, st.sampled_from(["stop", "length", "content_filter"]), COUNT, COUNT, LOGPROB)
MADE = st.builds(
    Made,
    st.builds(Transcript, TEXT, TEXT, TEXT, TEXT, COUNT, TEXT, TURNS),
    st.dictionaries(TEXT, TEXT),
    COUNT,
    COUNT,
    COUNT,
)
REJECT = st.builds(Reject, TEXT, st.integers(0, 9), TEXT, TEXT, TEXT, TEXT, TEXT, TURNS)
FAILURE = st.builds(Failure, TEXT, TEXT, TEXT, TEXT, TEXT)

TALK = Transcript(
    "id-1", "academic", "why ice floats", "an adult", 0, "scripted/demo", (Turn("user", "why?"), Turn("persona", ""))
)
TIM = Made(TALK, {"model": "scripted/demo"}, 1, 20, 10)
LOST = Failure("id-1", "academic", "why ice floats", "scripted/demo", "no answer")
FULL = "the disk is full; make room and run again, nothing that was committed is lost"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / "data" / "synth.db"


@contextmanager
def child(code: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a process on the store until it has printed a line, and kill it at the end of the block."""
    lines = "from pathlib import Path", "from synth.store import *", f"path = Path({str(path)!r})", code
    command = [sys.executable, "-c", "\n".join(lines)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


WRITER = """
store = Store(path, writing=True)
store.add_reply("key", "model", Reply("durable \\U0001F600", "stop", 3, 4))
print("ready", flush=True)
input()
"""


@settings(max_examples=30)
@given(replies=st.dictionaries(TEXT, REPLY, max_size=4))
def test_replies_read_back_equal(tmp_path_factory: pytest.TempPathFactory, replies: dict[str, Reply]) -> None:
    """Every reply comes back as it was, from another connection; a key without one gives nothing."""
    path = tmp_path_factory.mktemp("store") / "synth.db"
    with Store(path, writing=True) as store:
        for key, reply in replies.items():
            store.add_reply(key, "model", reply)
    with Store(path, writing=False) as store:
        assert {key: store.reply(key) for key in replies} == replies
        assert store.reply("another key that is longer than thirty characters") is None


@settings(max_examples=30)
@given(
    made=st.lists(MADE, max_size=3, unique_by=lambda made: made.transcript.id),
    rejects=st.lists(REJECT, max_size=3, unique_by=lambda reject: (reject.id, reject.attempt)),
    failures=st.lists(FAILURE, max_size=3, unique_by=lambda failure: failure.id),
)
def test_talks_read_back_equal(
    tmp_path_factory: pytest.TempPathFactory, made: list[Made], rejects: list[Reject], failures: list[Failure]
) -> None:
    """Accepted talks, rejected ones and failures come back as they were, ordered by id."""
    with Store(tmp_path_factory.mktemp("store") / "synth.db", writing=True) as store:
        for talk in made:
            store.add(talk)
        for reject in rejects:
            store.add_reject(reject)
        for failure in failures:
            store.add_failure(failure)
        assert list(store.made()) == sorted(made, key=lambda talk: talk.transcript.id.encode())
        assert list(store.rejects()) == sorted(rejects, key=lambda reject: (reject.id.encode(), reject.attempt))
        assert list(store.failures()) == sorted(failures, key=lambda failure: failure.id.encode())
        assert store.accepted_ids() == {talk.transcript.id for talk in made}
        assert [store.transcript(talk.transcript.id) for talk in made] == [talk.transcript for talk in made]


def test_what_is_there_stays_and_a_failure_is_forgotten_with_success(path: Path) -> None:
    """The first reply and the first talk of an id stay; the last failure of an id stays until the talk is made."""
    with Store(path, writing=True) as store:
        for text in ("first", "second"):
            store.add_reply("key", "model", Reply(text, "stop", 1, 2))
            store.add_failure(Failure("id-1", "academic", "why ice floats", "scripted/demo", text))
        assert store.reply("key") == Reply("first", "stop", 1, 2)
        assert [failure.error for failure in store.failures()] == ["second"]
        store.add(TIM)
        store.add(Made(TALK, {}, 9, 9, 9))
        assert (list(store.made()), list(store.failures())) == ([TIM], [])
        with pytest.raises(KeyError, match=r"^'id-2'$"):
            store.transcript("id-2")


def test_totals_and_attempts_are_counted(path: Path) -> None:
    """Calls and tokens are summed by model; a scenario's attempts are one more than its last rejected one."""
    with Store(path, writing=True) as store:
        for key, model, tokens in (("a", "x", 1), ("b", "x", 10), ("c", "y", 5)):
            store.add_reply(key, model, Reply("", "stop", tokens, 2 * tokens))
        for id_, attempt in (("one", 0), ("one", 2), ("two", 0)):
            store.add_reject(Reject(id_, attempt, "c", "t", "m", "empty", "", ()))
        assert store.totals() == {"x": (2, 11, 22), "y": (1, 5, 10)}
        assert store.attempts() == Counter({"one": 3, "two": 1})


def test_seen_topics_are_kept_by_persona(path: Path) -> None:
    """Topics are seen per persona, by category and words whatever their case and spacing."""
    with Store(path, writing=True) as store:
        store.add_seen_topics("Tim", [Topic("academic", "Why  Ice floats"), Topic("academic", "why ice floats")])
        store.add_seen_topics("Tim", [Topic("adulting", "why ice floats")])
        assert store.seen_topics("Tim") == {("academic", "why ice floats"), ("adulting", "why ice floats")}
        assert store.seen_topics("Ada") == set()


def test_a_killed_process_loses_nothing_and_lets_go_of_the_lock(path: Path) -> None:
    """After kill -9 right behind add_reply the reply is there, and the next run gets the lock."""
    with child(WRITER, path) as process:
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        with Store(path, writing=True) as store:
            assert store.reply("key") == Reply("durable \U0001f600", "stop", 3, 4)


def test_a_process_killed_within_a_change_leaves_all_before_it(path: Path) -> None:
    """A half-done transaction of a killed process is not there, and what was committed before it is."""
    half = "store._db.execute('begin immediate')\nstore._db.execute('delete from reply')\n"
    with child(WRITER.replace("print(", f"{half}print("), path) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with Store(path, writing=True) as store:
            assert store.totals() == {"model": (1, 3, 4)}


def test_one_run_writes_and_others_read(path: Path) -> None:
    """Beside a writing process a second writer is refused in one line, and a reader sees what is committed."""
    with child(WRITER, path):
        with pytest.raises(StoreError) as caught:
            Store(path, writing=True)
        assert str(caught.value) == f"{path} is in use by another synth run; wait for it, or stop it"
        with Store(path, writing=False) as store:
            assert store.totals() == {"model": (1, 3, 4)}


def test_two_stores_in_one_process_share_the_rule(path: Path) -> None:
    """The lock holds within a process as well, and is free again when the store is closed."""
    with Store(path, writing=True), pytest.raises(StoreError, match="is in use by another synth run"):
        Store(path, writing=True)
    with Store(path, writing=True) as store:
        assert store.totals() == {}


def test_a_store_of_a_newer_version_is_left_alone(path: Path) -> None:
    """A store from a newer synth is refused in one line, unchanged, and without keeping the lock."""
    with Store(path, writing=True) as store:
        store._db.execute("pragma user_version = 7")
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            Store(path, writing=True)
        assert str(caught.value) == f"{path} was made by a newer synth (store version 7, here {VERSION}); update synth"
    assert path.read_bytes() == before


@pytest.mark.parametrize("writing", [True, False])
def test_a_file_that_is_no_store_is_left_alone(path: Path, writing: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Another file of that name is refused in one line and not touched."""
    path.parent.mkdir()
    path.write_bytes(b"my diary, and nothing else at all\n" * 40)
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        Store(path, writing=writing)
    assert str(caught.value) == f"{path} is not a synth store; move it away, or set another data folder"
    assert path.read_bytes() == before


def test_a_store_that_is_damaged_is_said_in_one_line(path: Path) -> None:
    """A page that was overwritten is a StoreError when it is read, never a traceback of sqlite's."""
    with Store(path, writing=True) as store:
        for number in range(200):
            store.add_reply(f"key {number}", "model", Reply("x" * 100, "stop"))
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with Store(path, writing=False) as store, pytest.raises(StoreError) as caught:
        store.reply("key 7")
    assert str(caught.value) == f"{path}: database disk image is malformed"


WRITES: list[Callable[[Store, str], None]] = [
    lambda store, text: store.add_reply(text, "m", Reply(text, "stop")),
    lambda store, text: store.add(Made(Transcript(text, "c", "t", "", 0, "m", (Turn("user", text),)), {}, 0, 0, 0)),
    lambda store, text: store.add_reject(Reject(text, 0, "c", "t", "m", "empty", "", ())),
    lambda store, text: store.add_failure(Failure(text, "c", "t", "m", "e")),
    lambda store, text: store.add_seen_topics("Tim", [Topic("c", text)]),
]


@pytest.mark.parametrize("write", WRITES, ids=["reply", "talk", "reject", "failure", "topics"])
def test_a_full_disk_is_one_line_and_loses_nothing(path: Path, write: Callable[[Store, str], None]) -> None:
    """Without room, the write says so; what was committed stays, and with room again the same store goes on."""
    with Store(path, writing=True) as store:
        store.add(TIM)
        store.add_failure(LOST)
        pages = store._db.execute("pragma page_count").fetchone()[0]
        store._db.execute(f"pragma max_page_count = {pages}")
        with pytest.raises(StoreError) as caught:
            write(store, "long " * 20_000)
        assert str(caught.value) == f"{path}: {FULL}"
        with Store(path, writing=False) as reader:
            assert (list(reader.made()), list(reader.failures()), reader.totals()) == ([TIM], [LOST], {})
        store._db.execute("pragma max_page_count = 10000")
        store.add_reply("key", "model", Reply("there is room again", "stop"))
        with Store(path, writing=False) as reader:
            assert reader.totals() == {"model": (1, 0, 0)}


def test_a_file_that_may_not_grow_is_one_line_and_loses_nothing(path: Path) -> None:
    """A real write that the system refuses is a StoreError; replies committed before it are there afterwards."""
    limited = """
import resource
with Store(path, writing=True) as store:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    number = 0
    try:
        while True:
            store.add_reply(f"key {number:05}", "m", Reply("x" * 10_000, "stop"))
            number += 1
    except StoreError as error:
        print("ready", flush=True)
        print(number, error, flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
"""
    with child(limited, path) as process:
        assert process.stdout is not None
        number, _, message = process.stdout.read().rstrip("\n").partition(" ")
        assert process.wait() == 0
    with Store(path, writing=False) as store:
        assert store.totals() == {"m": (int(number), 0, 0)}
    assert (int(number) > 5, message) == (True, f"{path}: disk I/O error")


def test_a_change_that_breaks_off_leaves_nothing_open(path: Path) -> None:
    """Where a change cannot be written in full, none of it is, and the next one is committed as ever."""
    torn = Made(replace(TALK, topic="half a character \ud83d"), {}, 0, 0, 0)
    with Store(path, writing=True) as store:
        with pytest.raises(UnicodeEncodeError):
            store.add(torn)
        store.add(TIM)
        with Store(path, writing=False) as reader:
            assert list(reader.made()) == [TIM]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_may_not_be_written_is_one_line(path: Path) -> None:
    """A store in a read-only folder cannot be made: one line that names it."""
    path.parent.mkdir(mode=0o500)
    with pytest.raises(StoreError) as caught:
        Store(path, writing=True)
    assert str(caught.value) == f"{path}: unable to open database file"


def test_a_folder_that_is_a_file_is_one_line(path: Path) -> None:
    """Where the data folder should be, there is a file: one line that names it."""
    path.parent.write_text("a file", encoding="utf-8")
    with pytest.raises(StoreError) as caught:
        Store(path, writing=True)
    assert str(caught.value) == f"{path}: [Errno 17] File exists: '{path.parent}'"


def test_every_connection_is_closed(path: Path) -> None:
    """A closed store answers nothing more."""
    with Store(path, writing=True) as store:
        pass
    with pytest.raises(sqlite3.ProgrammingError):
        store._db.execute("select 1")
