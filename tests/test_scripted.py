"""The provider without a model: replies from a file, and by rule."""

import asyncio
import json
from pathlib import Path

import pytest

from synth.conversation import Message
from synth.errors import InputError, RequestRefusedError, TransientError
from synth.providers import open_provider
from synth.providers.base import Options, Provider, Reply, Request


def opened(folder: Path, *rows: object) -> Provider:
    """Open a file with these rows."""
    path = folder / "replies.jsonl"
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return open_provider(f"scripted/{path}", Options())


def said(text: str, seed: int = 0) -> Request:
    """Return a request that ends with this text."""
    return Request("scripted/x", (Message("system", "say it"), Message("user", text)), seed=seed)


def ask(provider: Provider, *requests: Request) -> list[Reply]:
    """Ask one request after the other."""

    async def run() -> list[Reply]:
        replies = [await provider.complete(request) for request in requests]
        await provider.close()
        return replies

    return asyncio.run(run())


def test_rows_without_when_are_taken_in_turn_and_again_from_the_first(tmp_path: Path) -> None:
    """The n-th request gets the n-th row; after the last comes the first."""
    provider = opened(tmp_path, {"reply": "one two"}, {"reply": "three", "finish": "length"})
    expected = [Reply("one two", "stop", 1, 2), Reply("three", "length", 1, 1), Reply("one two", "stop", 1, 2)]
    assert ask(provider, *[said("hello")] * 3) == expected


def test_a_row_with_when_answers_what_its_text_is_in(tmp_path: Path) -> None:
    """The first row whose when is in the last message wins; the others are taken in turn, and none is used up."""
    provider = opened(
        tmp_path, {"when": "cat", "reply": "meow"}, {"reply": "well"}, {"when": "cat bird", "reply": "never"}
    )
    replies = ask(provider, said("a cat bird"), said("a dog"), said("say it"), said("cat"))
    assert [reply.text for reply in replies] == ["meow", "well", "well", "meow"]


def test_a_prompt_is_matched_by_its_end(tmp_path: Path) -> None:
    """Of a text to continue, the last 200 characters count: a topic above them does not match."""
    provider = opened(tmp_path, {"when": "cat", "reply": "meow"}, {"reply": "well"})
    near, far = (Request("scripted/x", prompt=f"cat {'.' * length}") for length in (10, 200))
    assert [reply.text for reply in ask(provider, near, far)] == ["meow", "well"]


@pytest.mark.parametrize(
    ("row", "kind", "message"),
    [
        ({"error": "transient"}, TransientError, "scripted fault"),
        ({"error": "transient", "reply": "busy"}, TransientError, "busy"),
        ({"error": "refused"}, RequestRefusedError, "scripted refusal"),
        ({"error": "refused", "reply": "no"}, RequestRefusedError, "no"),
    ],
)
def test_a_row_with_an_error_raises_it(
    tmp_path: Path, row: dict[str, str], kind: type[Exception], message: str
) -> None:
    """An error row raises the error of its kind, with its reply as the message."""
    with pytest.raises(kind) as caught:
        ask(opened(tmp_path, row), said("x"))
    assert (type(caught.value), str(caught.value)) == (kind, message)


def test_a_transient_error_asks_for_no_wait(tmp_path: Path) -> None:
    """A dry run is never slowed down by its own faults."""
    with pytest.raises(TransientError) as caught:
        ask(opened(tmp_path, {"error": "transient"}), said("x"))
    assert caught.value.retry_after == 0


def test_without_a_row_that_fits_the_rule_answers(tmp_path: Path) -> None:
    """A file whose rows all have a when falls back on the rule, the same as scripted/demo."""
    demo = open_provider("scripted/demo", Options())
    assert ask(opened(tmp_path, {"when": "cat", "reply": "meow"}), said("dog")) == ask(demo, said("dog"))


def test_the_rule_is_a_function_of_the_request() -> None:
    """Equal requests get equal replies from two providers in any order; another seed or text gets another one."""
    requests = [said(text, seed) for text in ("hello", "and you") for seed in range(3)]
    forth = ask(open_provider("scripted/demo", Options()), *requests)
    back = ask(open_provider("scripted/demo", Options()), *reversed(requests))
    assert forth == back[::-1]
    assert len({reply.text for reply in forth}) == len(requests)


def test_the_rule_keeps_to_a_schema() -> None:
    """A request with a schema gets as many turns as its prompt names, the user first."""
    request = Request("scripted/demo", (Message("user", "The chat has 6 messages."),), schema="{}")
    turns = json.loads(ask(open_provider("scripted/demo", Options()), request)[0].text)["turns"]
    assert [turn["speaker"] for turn in turns] == ["user", "persona"] * 3
    assert len({turn["text"] for turn in turns}) == 6
    other = Request("scripted/demo", (Message("user", "Write a chat."),), schema="{}")
    assert len(json.loads(ask(open_provider("scripted/demo", Options()), other)[0].text)["turns"]) == 4


_EXPECTED = "expected 'reply' or 'error', and 'when' and 'finish' if wanted"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({}, _EXPECTED),
        ({"when": "x"}, _EXPECTED),
        ({"reply": "x", "then": "y"}, _EXPECTED),
        ({"error": "broken"}, "error: expected transient or refused, not 'broken'"),
        ({"error": ""}, "error: expected transient or refused, not ''"),
        ({"reply": "x", "finish": "end"}, "finish: expected stop, length or content_filter, not 'end'"),
        ({"reply": 5}, "reply: expected text, not 5"),
        ({"reply": None}, "reply: expected text, not None"),
    ],
)
def test_a_row_that_is_wrong_is_named_with_its_line(tmp_path: Path, row: object, problem: str) -> None:
    """Unknown and missing fields and values are refused with file and line when the file is opened."""
    with pytest.raises(InputError) as caught:
        opened(tmp_path, {"reply": "fine"}, row)
    assert str(caught.value) == f"{tmp_path / 'replies.jsonl'}:2: {problem}"


@pytest.mark.parametrize("row", ["{reply: x}", '["reply"]', '"reply"', ""])
def test_a_line_that_is_no_object_is_named(tmp_path: Path, row: str) -> None:
    """A line that is no JSON object is refused with file and line."""
    with pytest.raises(InputError) as caught:
        opened(tmp_path, {"reply": "fine"}, row, {"reply": "fine"})
    assert str(caught.value).startswith(f"{tmp_path / 'replies.jsonl'}:2: not a JSON object: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    """A file that is not UTF-8, or not there, is one line that names it."""
    path = tmp_path / "replies.jsonl"
    with pytest.raises(InputError) as caught:
        open_provider(f"scripted/{path}", Options())
    assert str(caught.value) == f"{path}: cannot be read: No such file or directory"
    path.write_bytes(b'{"reply": "fine"}\n{"reply": "caf\xe9"}\n')
    with pytest.raises(InputError) as caught:
        open_provider(f"scripted/{path}", Options())
    assert str(caught.value) == f"{path}: not UTF-8 text; save the file as UTF-8"


@pytest.mark.parametrize(
    ("name", "hint"), [("deno", " (did you mean 'demo'?)"), ("replies.json", "")], ids=["misspelt", "another-ending"]
)
def test_a_script_that_is_not_known_is_named(name: str, hint: str) -> None:
    """A name that is neither the rule nor a file of replies brings what there is."""
    with pytest.raises(InputError) as caught:
        open_provider(f"scripted/{name}", Options())
    assert str(caught.value) == f"no script {name!r}{hint}; there is scripted/demo, or scripted//path/to/replies.jsonl"
