"""What the commands say: plans, advice after a run, topics by tag, schemas."""

import json
import shutil
from collections.abc import Callable

import click
import pytest

from synth.cli import plan, run
from synth.cli.common import wanted_option
from synth.cli.plan import SAMPLE, spread
from tests.cli import Ended, Shell
from tests.helpers import ROOT
from tests.server import serve, talk

SERVERS = "   (vLLM, Ollama, llama.cpp …)"


def advice(ended: Ended) -> list[str]:
    """Return the last part of what a run says."""
    return ended.out.rpartition("\n\n")[2].splitlines()


def shown(ended: Ended) -> list[str]:
    """Return the heads of the talks that a plan shows."""
    return [line for line in ended.out.splitlines() if line.startswith("━━ ")]


def test_advice_in_a_project_of_ones_own(synth: Shell) -> None:
    """Where there is no Makefile of ours, nothing tells to call make."""
    (synth.folder / "Makefile").write_text("# synth: later\nall:\n\ttrue\n", encoding="utf-8")
    assert advice(synth("run", "-n", "6")) == [
        "More of them:    synth run -n 14",
        "For real data:   OPENAI_API_KEY=… synth run --model openai/NAME",
        f"                 synth run --model openai/NAME --base-url http://localhost:8000/v1{SERVERS}",
        "What is there:   synth status",
    ]


def test_advice_keeps_what_was_asked_for(synth: Shell) -> None:
    """More of them is more of the same: the options of this run are in the next one, in quotes where they need them."""
    shutil.copy(synth.folder / "prompts" / "tim.yaml", synth.folder / "prompts" / "my tim.yaml")
    ended = synth("run", "--mode", "duet", "--persona", "prompts/my tim.yaml", "--model", "scripted/demo", "-n", "6")
    options = "--mode duet --persona 'prompts/my tim.yaml'"
    assert advice(ended) == [
        f"More of them:    synth run -n 14 {options} --model scripted/demo",
        f"For real data:   OPENAI_API_KEY=… synth run {options} --model openai/NAME",
        f"                 synth run {options} --model openai/NAME --base-url http://localhost:8000/v1{SERVERS}",
        f"What is there:   synth status {options} --model scripted/demo",
    ]


def test_advice_in_this_repository(synth: Shell) -> None:
    """With our Makefile it is make, with its variables; what they cannot hand on goes to the command itself."""
    shutil.copy(ROOT / "Makefile", synth.folder)
    assert advice(synth("run", "-n", "6", "--persona", "prompts/tim.yaml")) == [
        "More of them:    make synth N=14 PERSONA=prompts/tim.yaml",
        "For real data:   OPENAI_API_KEY=… make synth PERSONA=prompts/tim.yaml MODEL=openai/NAME",
        f"                 make synth PERSONA=prompts/tim.yaml MODEL=openai/NAME BASE_URL=http://localhost:8000/v1{SERVERS}",
        "What is there:   .venv/bin/synth status --persona prompts/tim.yaml",
    ]
    assert advice(synth("run", "-n", "6", "--seed", "1"))[0] == "More of them:    .venv/bin/synth run -n 14 --seed 1"


def test_advice_with_a_model_of_ones_own(synth: Shell) -> None:
    """Who plays with a server of their own is not told how to get real data, and keeps the server."""
    shutil.copy(ROOT / "Makefile", synth.folder)
    with serve(talk) as server:
        ended = synth("run", "-n", "2", "--model", "openai/demo", "--base-url", server.base_url)
    assert advice(ended) == [
        f"More of them:    make synth N=14 MODEL=openai/demo BASE_URL={server.base_url}",
        f"What is there:   .venv/bin/synth status --model openai/demo --base-url {server.base_url}",
    ]


@pytest.mark.parametrize("options", [(), ("--list",), ("--json",)])
def test_tag_that_no_topic_has(synth: Shell, options: tuple[str, ...]) -> None:
    """A misspelt tag is an error that names the nearest one, and not a list of nothing."""
    ended = synth("topics", "--tag", "kichen", *options)
    assert (ended.status, ended.out, ended.err) == (
        1,
        "",
        "synth: --tag: no topic is tagged 'kichen' (did you mean 'kitchen'?); there are: kitchen, maths, money\n",
    )


def test_tag_where_there_are_none(synth: Shell) -> None:
    """In a project without tags it is said that there are none."""
    (synth.folder / "synth.yaml").write_text("model: scripted/demo\ntopics: topics/adversarial.yaml\n", "utf-8")
    assert synth("topics", "--tag", "x").err == "synth: --tag: no topic is tagged 'x'; no topic has any tags\n"


def test_plan_as_json_with_requests(synth: Shell) -> None:
    """With --json the shown requests are in the JSON, the same ones as in the text."""
    text = synth("plan", "--show", "2", "--mode", "duet").out
    figures = json.loads(synth("plan", "--show", "2", "--mode", "duet", "--json").out)
    rows = figures.pop("requests")
    assert json.loads(synth("plan", "--mode", "duet", "--json").out) == figures | {"requests": []}
    printed = text[: text.index("\n━━ ")]
    turns = {head.split()[-1]: head.split(", ")[-2] for head in shown(Ended(0, text, ""))}
    for row in rows:
        assert list(row) == ["scenario", "topic", "category", "requests"]
        head = f"{row['topic']} ({row['category']}), {turns[row['scenario']]}, scenario {row['scenario']}"
        printed += f"\n━━ {head}\n"
        for request in row["requests"]:
            assert list(request) == ["model", "sampling", "seed", "messages"]
            printed += f"── {request['model']} · {request['sampling']} · seed {request['seed']}\n"
            printed += "".join(f"[{message['role']}]\n{message['content']}\n" for message in request["messages"])
    assert printed == text


def test_plan_as_json_with_prompts(synth: Shell) -> None:
    """Where the model continues text, a request has a prompt in place of messages."""
    figures = json.loads(synth("plan", "--show", "1", "--mode", "continue", "--json").out)
    requests = figures["requests"][0]["requests"]
    assert requests
    assert {tuple(request) for request in requests} == {("model", "sampling", "seed", "prompt")}


def test_plan_shows_talks_that_are_there_already(synth: Shell) -> None:
    """When everything is played, prompts can be looked at nevertheless; what is pending is shown first."""
    before = shown(synth("plan", "--show", "14"))
    synth("generate", "-n", "13")
    ended = synth("plan", "--show", "3")
    assert "13 conversations there, 1 to make" in ended.out
    pending = json.loads(synth("plan", "--show", "1", "--json").out)["requests"][0]["scenario"]
    assert [f"scenario {pending}" in head for head in shown(ended)] == [True, False, False]
    synth("generate")
    ended = synth("plan", "--show", "14")
    assert "14 conversations there, 0 to make" in ended.out
    assert shown(ended) == before
    assert len(before) == 14


def test_plan_shows_as_many_talks_as_asked_for(synth: Shell) -> None:
    """K talks are shown where there are K, more than the estimate is made from too; else all there are."""
    assert len(shown(synth("plan", "--takes", "3", "--show", str(SAMPLE + 5)))) == SAMPLE + 5
    assert len(shown(synth("plan", "--show", "100"))) == 14


def test_plan_shows_every_category(synth: Shell) -> None:
    """What is shown is spread over the plan, which goes category by category."""
    rows = json.loads(synth("plan", "--show", "5", "--json").out)["requests"]
    assert [row["category"] for row in rows] == ["academic"] * 3 + ["adulting", "adversarial"]


@pytest.mark.parametrize(
    ("number", "of", "taken"),
    [(3, 9, [0, 3, 6]), (4, 7, [0, 1, 3, 5]), (3, 2, [0, 1]), (0, 5, []), (3, 0, [])],
)
def test_spread(number: int, of: int, taken: list[int]) -> None:
    """A sample reaches over all items, however many there are, and never holds one twice."""
    assert spread(range(of), number) == taken


def test_sample_reaches_to_the_end() -> None:
    """Of 39 scenarios the sample has every second one, not the first 20."""
    assert spread(range(39), 20) == [index * 39 // 20 for index in range(20)]
    assert spread(range(39), 20)[-1] == 37


@pytest.mark.parametrize("command", [plan.command, run.command])
def test_n_means_the_same_everywhere(command: click.Command) -> None:
    """`-n` is one option, with one line of help."""

    @click.command
    @wanted_option
    def alone(wanted: int | None) -> None: ...

    mine = next(option for option in command.params if option.name == "wanted")
    assert mine.to_info_dict() == alone.params[0].to_info_dict()
    assert isinstance(mine, click.Option)
    assert mine.help == "Accepted conversations in all; default: every scenario."


def full(synth: Shell) -> str:
    """Make the first schema go where there is no room, and return the path that is complained about."""
    (synth.folder / "out").mkdir()
    (synth.folder / "out" / "topics.json").symlink_to("/dev/full")
    return "out/topics.json: cannot be written: No space left on device"


def taken(synth: Shell) -> str:
    """Put a file where the folder is to be."""
    (synth.folder / "out").write_text("mine", encoding="utf-8")
    return "out: cannot be written: File exists"


@pytest.mark.parametrize("obstacle", [full, taken])
def test_schemas_that_cannot_be_written(synth: Shell, obstacle: Callable[[Shell], str]) -> None:
    """What the system says against it is one line with the path."""
    complaint = obstacle(synth)
    ended = synth("schema", "--write", "out")
    assert (ended.status, ended.out, ended.err) == (1, "", f"synth: {complaint}\n")
