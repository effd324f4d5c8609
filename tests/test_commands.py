"""The commands, as a user types them."""

import json
from pathlib import Path

from tests.cli import Shell
from tests.helpers import ROOT


def lines(path: Path) -> list[dict[str, list[dict[str, str]]]]:
    """Read a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_run_makes_training_files_from_all_categories(synth: Shell) -> None:
    """`synth run -n 6` plays two talks of each category and writes them, alternating and ending on the persona."""
    ended = synth("run", "-n", "6")
    assert ended.status == 0
    dataset = synth.folder / "data" / "dataset"
    talks = lines(dataset / "train.jsonl") + lines(dataset / "valid.jsonl")
    assert len(talks) == 6
    for talk in talks:
        roles = [message["role"] for message in talk["messages"]]
        assert roles == ["system"] + ["user", "assistant"] * ((len(roles) - 1) // 2)
        assert talk["messages"][0]["content"] == "You are Tim, a patient tutor."
    manifest = json.loads((dataset / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["categories"] == {"academic": 2, "adulting": 2, "adversarial": 2}
    assert "One of them, on" in ended.out
    assert "Cost: free, on this machine. The model: no model at all" in ended.out


def test_second_run_asks_nothing(synth: Shell) -> None:
    """The same command again finds everything there, and writes the same bytes."""
    synth("run", "-n", "6")
    dataset = synth.folder / "data" / "dataset"
    before = {path.name: path.read_bytes() for path in dataset.iterdir()}
    ended = synth("run", "-n", "6")
    assert ended.status == 0
    assert "6 of 6 conversations accepted (0 in this run)" in ended.err
    assert " 0 calls, 0 from the store" in ended.err
    assert {path.name: path.read_bytes() for path in dataset.iterdir()} == before


def test_more_of_them_goes_on(synth: Shell) -> None:
    """A larger N adds to what is there; without N every scenario is played."""
    synth("generate", "-n", "3")
    assert "9 of 9 conversations accepted (6 in this run)" in synth("generate", "-n", "9").err
    assert "14 of 14 conversations accepted (5 in this run)" in synth("generate").err


def test_new_topic_is_played_and_nothing_else(synth: Shell) -> None:
    """A topic that is added is played by the next run, even where N is reached, and nothing else is."""
    synth("run", "-n", "6")
    path = synth.folder / "topics" / "adulting.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "  - how to mend a bicycle tyre\n", encoding="utf-8")
    ended = synth("run", "-n", "6")
    assert "new topic, played first: how to mend a bicycle tyre (adulting)" in ended.err
    assert "7 of 7 conversations accepted (1 in this run)" in ended.err
    assert "7 of 7 conversations accepted (0 in this run)" in synth("run", "-n", "6").err


def test_changed_template_replays_what_it_changes_and_says_so(synth: Shell) -> None:
    """Talks made with an older template are set aside, by name of the template; edited back, they count again."""
    synth("run", "-n", "3")
    template = synth.folder / "prompts" / "persona.j2"
    old = template.read_text(encoding="utf-8")
    template.write_text(old + "\nOne sentence at most.\n", encoding="utf-8")
    assert "3 conversations set aside, kept in the store: prompts/persona.j2 changed" in synth("plan").out
    ended = synth("run", "-n", "3")
    assert "3 of 3 conversations accepted (3 in this run)" in ended.err
    assert "left out: 3 conversations (prompts/persona.j2 changed)" in ended.out
    template.write_text(old, encoding="utf-8")
    assert "3 of 3 conversations accepted (0 in this run)" in synth("run", "-n", "3").err


def test_changed_training_prompt_replays_nothing(synth: Shell) -> None:
    """The system prompt of the training files is no part of how talks are made."""
    synth("run", "-n", "3")
    (synth.folder / "prompts" / "system.j2").write_text("You are {{ persona.name }}.\n", encoding="utf-8")
    assert "3 of 3 conversations accepted (0 in this run)" in synth("run", "-n", "3").err
    train = lines(synth.folder / "data" / "dataset" / "train.jsonl")
    assert {talk["messages"][0]["content"] for talk in train} == {"You are Tim."}


def test_another_model_sets_the_first_one_aside(synth: Shell) -> None:
    """Talks of another model are not mixed into the dataset, and it is said which model made them."""
    synth("run", "-n", "3")
    script = synth.folder / "replies.jsonl"
    rows = [
        {"reply": f"number {number} and nothing like the others: {'abcdefgh'[number % 8] * 4}"} for number in range(97)
    ]
    script.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    ended = synth("run", "-n", "3", "--model", f"scripted/{script}")
    assert "3 conversations set aside, kept in the store: made with another model (scripted/demo)" in ended.err


def test_less_than_asked_for_exits_3(synth: Shell) -> None:
    """Where the model refuses one topic, the rest is made, the error is said, and the exit status is 3."""
    script = synth.folder / "replies.jsonl"
    rows = [{"when": "fossils", "error": "refused", "reply": "no fossils"}]
    rows += [{"reply": f"{'abcdefghijklm'[n % 13] * 5} is number {n * 7919}"} for n in range(301)]
    script.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    ended = synth("generate", "--model", f"scripted/{script}", "--mode", "duet")
    assert ended.status == 3
    assert "12 of 14 conversations accepted" in ended.err
    assert "the last failure: no fossils" in ended.err


def test_nothing_usable_exits_1(synth: Shell) -> None:
    """A run that makes nothing usable says why in one line, and leaves no dataset."""
    script = synth.folder / "replies.jsonl"
    script.write_text('{"reply": "TIM: TIM: hello"}\n', encoding="utf-8")
    ended = synth("run", "-n", "2", "--model", f"scripted/{script}")
    assert ended.status == 1
    assert ended.err.splitlines()[-1] == (
        "synth: 48 talks in a row were rejected (tag 48); before more are paid for, look at the prompts: "
        "synth plan --show 1"
    )
    assert not (synth.folder / "data" / "dataset").exists()


def test_build_without_conversations(synth: Shell) -> None:
    """Building from nothing says what to do first."""
    ended = synth("build")
    assert (ended.status, ended.err) == (
        1,
        "synth: there is no accepted conversation to build from; make some with: synth generate\n",
    )


def test_build_says_what_it_wrote(synth: Shell) -> None:
    """`synth build` counts lines and categories."""
    synth("generate", "-n", "3")
    ended = synth("build")
    assert ended.out.splitlines() == [
        "data/dataset/train.jsonl: 2 lines",
        "data/dataset/valid.jsonl: 1 line",
        "categories: academic 1, adulting 1, adversarial 1",
    ]


def test_plan_asks_nobody(synth: Shell) -> None:
    """A plan needs no key, makes no file, and shows the requests as they would be sent."""
    ended = synth("plan", "--model", "openai/some-model", "--show", "1", "-n", "3")
    assert ended.status == 0
    assert "Tim with openai/some-model, mode duet" in ended.out
    assert "14 scenarios: academic 8, adulting 3, adversarial 3" in ended.out
    assert "0 conversations there, 3 to make" in ended.out
    assert "price of openai/some-model unknown here" in ended.out
    assert "[system]\nYou are Tim." in ended.out
    assert "What this chat is about: " in ended.out
    assert not (synth.folder / "data").exists()


def test_plan_in_every_mode_and_as_json(synth: Shell) -> None:
    """Each mode plans its own calls: one a talk for a transcript, one a turn for a duet."""
    figures = {
        mode: json.loads(synth("plan", "--mode", mode, "--json").out) for mode in ("duet", "transcript", "continue")
    }
    scenarios = figures["duet"]["scenarios"]
    assert figures["transcript"]["calls"] == scenarios
    assert figures["duet"]["calls"] > 3 * scenarios
    assert figures["continue"]["calls"] > figures["duet"]["calls"]
    assert "[system]" not in synth("plan", "--mode", "continue", "--show", "1").out


def test_status_counts_what_is_in_the_store(synth: Shell) -> None:
    """Status tells accepted and pending by category, rejects, failures and tokens, for people and for scripts."""
    synth("generate", "-n", "3")
    figures = json.loads(synth("status", "--json").out)
    assert {name: numbers["accepted"] for name, numbers in figures["categories"].items()} == {
        "academic": 1,
        "adulting": 1,
        "adversarial": 1,
    }
    assert figures["failed"] == {}
    assert list(figures["models"]) == ["scripted/demo"]
    out = synth("status").out
    assert "data/synth.db: Tim with scripted/demo" in out
    assert "asked: scripted/demo, " in out


def test_status_shows_rejects_failures_and_what_is_set_aside(synth: Shell) -> None:
    """What went wrong can be looked at: reasons of rejects, errors of failures, talks of another model."""
    synth("generate", "-n", "3")
    script = synth.folder / "replies.jsonl"
    script.write_text('{"when": "rice", "error": "refused", "reply": "no rice"}\n{"reply": "..."}\n', encoding="utf-8")
    model = f"scripted/{script}"
    assert synth("generate", "--model", model).status == 1
    out = synth("status", "--model", model).out
    assert "set aside: 3 conversations: made with another model (scripted/demo)" in out
    assert "rejected: " in out
    assert "failed: 1 no rice" in out


def test_topics_counts_and_lists(synth: Shell) -> None:
    """`synth topics` counts topics and scenarios, and lists, filters and prints them as JSON."""
    assert "academic: 3 topics, 8 scenarios, 0 with expect\n  tags: maths 1\n" in synth("topics").out
    assert synth("topics", "--tag", "kitchen", "--list").out == (
        "adulting: 1 topic, 1 scenario, 0 with expect\n  tags: kitchen 1\n  how to cook rice\n"
    )
    assert "  user wants the homework done  → refuses\n" in synth("topics", "--list").out
    assert json.loads(synth("topics", "--tag", "kitchen", "--json").out) == {
        "category": "adulting",
        "topic": "how to cook rice",
        "expect": [],
        "tags": ["kitchen"],
        "audiences": [],
        "repeat": 1,
        "place": "topics/adulting.yaml:6:5",
    }


def test_topics_names_near_duplicates(synth: Shell) -> None:
    """Two topics of nearly the same words are named with their places."""
    path = synth.folder / "topics" / "adulting.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "  - how to cook good rice\n", encoding="utf-8")
    assert synth("topics").out.splitlines()[-1] == (
        "nearly the same: topics/adulting.yaml:6:5: 'how to cook rice' and "
        "topics/adulting.yaml:7:5: 'how to cook good rice'"
    )


def test_schema_is_printed(synth: Shell) -> None:
    """`synth schema persona` prints the JSON Schema of persona files."""
    schema = json.loads(synth("schema", "persona").out)
    assert schema["title"] == "Persona"
    assert set(schema["required"]) == {"name", "description", "system", "examples"}


def test_second_persona_plays_the_same_topics(synth: Shell) -> None:
    """Another persona is another file: nothing is wired to Tim."""
    text = (ROOT / "prompts" / "brina.yaml").read_text(encoding="utf-8")
    (synth.folder / "prompts" / "brina.yaml").write_text(text, encoding="utf-8")
    ended = synth("run", "-n", "3", "--persona", "prompts/brina.yaml")
    assert ended.status == 0
    assert "Brina with scripted/demo" in ended.err
    assert "  Caller:" in ended.out
    train = (synth.folder / "data" / "dataset" / "train.jsonl").read_text(encoding="utf-8")
    assert "Tim" not in train
    assert "You are Brina" in train


def test_many_new_topics_are_counted(synth: Shell) -> None:
    """Five new topics are named, the rest is counted; at most N of them are played."""
    synth("generate", "-n", "3")
    path = synth.folder / "topics" / "adulting.yaml"
    more = "".join(
        f"  - how to paint wall number {number}\n" for number in ("one", "two", "three", "four", "five", "six")
    )
    path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")
    ended = synth("generate", "-n", "3")
    assert ended.err.count("new topic, played first: ") == 5
    assert "… and 1 new topic more" in ended.err
    assert "6 of 6 conversations accepted (3 in this run)" in ended.err


def test_scenarios_that_are_given_up_are_counted(synth: Shell) -> None:
    """A topic whose talks are all refused is given up after the set number of attempts, and others take its place."""
    script = synth.folder / "replies.jsonl"
    rows = [{"when": "fossils", "reply": "..."}, {"when": "...", "reply": "..."}]
    rows += [{"reply": f"{'abcdefghijklm'[n % 13] * 5} is number {n * 7919}"} for n in range(301)]
    script.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    ended = synth("generate", "--model", f"scripted/{script}")
    assert ended.status == 3
    assert "12 of 14 conversations accepted" in ended.err
    assert "2 scenarios given up after 4 attempts each" in ended.err


def test_what_is_paid_for_is_never_called_free(synth: Shell) -> None:
    """A model on a server elsewhere has an unknown price."""
    assert "price of openai/x unknown here" in synth("plan", "--model", "openai/x").out
    free = synth("plan", "--model", "openai/x", "--base-url", "http://localhost:1/v1").out
    assert "free, on this machine" in free


def test_what_was_given_up_stays_known(synth: Shell) -> None:
    """The next run says what was given up before and how to go on, and is not done either; status tells both apart."""
    script = synth.folder / "replies.jsonl"
    rows = [{"when": "fossils", "reply": "..."}, {"when": "...", "reply": "..."}]
    rows += [{"reply": f"{'abcdefghijklm'[n % 13] * 5} is number {n * 7919}"} for n in range(301)]
    script.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    model = f"scripted/{script}"
    synth("generate", "--model", model)
    again = synth("generate", "--model", model)
    assert again.status == 3
    assert "2 scenarios given up in earlier runs; raise attempts in synth.yaml to go on" in again.err
    assert "  academic            6 accepted      0 pending      2 given up" in synth("status", "--model", model).out


def test_more_than_there_are(synth: Shell) -> None:
    """Asking for more than there are scenarios makes all of them, says so, and exits 3."""
    ended = synth("generate", "-n", "99")
    assert ended.status == 3
    assert "99 were asked for and there are 14: add topics, or raise --takes" in ended.err


def test_when_all_is_played_more_means_more_topics(synth: Shell) -> None:
    """The advice after a run never asks for more than there are scenarios."""
    assert "More of them:    add topics, or raise --takes" in synth("run").out
