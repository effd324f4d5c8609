"""The persona file and the templates: what is refused, and that templates run no code."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.conversation import PERSONA, USER, Turn
from synth.generate.plan import make_plan
from synth.identity import fingerprint
from synth.project import open_project
from synth.prompts import TEMPLATES, TRAINING, Templates, load_persona
from synth.providers.scripted import Scripted
from tests.helpers import ROOT, refusal

HEAD = "name: Tim\ndescription: A tutor.\nsystem: You are Tim.\n"
GOOD = "  - topic: a\n    turns:\n      - user: hi\n      - persona: ho\n"
NOT_TEXT = "expected text, and YAML reads 5 as something else; put it in quotes"
LAST = HEAD + "examples:\n" + GOOD + "  - topic: b\n    turns:\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "p.yaml: the file is empty"),
        (HEAD, "p.yaml:1:1: 'examples' is missing"),
        (f"{HEAD}examples:\n{GOOD}", "p.yaml:5:3: examples: expected at least 2, not 1"),
        (
            f"{LAST}      - persona: hi\n      - user: ho\n",
            "p.yaml:9:5: examples.1: user and persona take turns, and the user begins",
        ),
        (
            f"{LAST}      - user: hi\n      - user: ho\n",
            "p.yaml:9:5: examples.1: user and persona take turns, and the user begins",
        ),
        (
            f"{LAST}      - user: hi\n      - persona: ho\n      - user: hm\n",
            "p.yaml:9:5: examples.1: the last word is the persona's",
        ),
        (f"{LAST}      - user: hi\n", "p.yaml:11:7: examples.1.turns: expected at least 2, not 1"),
        (
            f"{LAST}      - {{user: hi, persona: ho}}\n      - persona: ho\n",
            "p.yaml:11:9: examples.1.turns.0: expected one of 'user: ...' and 'persona: ...'",
        ),
        (
            f"{LAST}      - usr: hi\n      - persona: ho\n",
            "p.yaml:11:9: unknown field 'usr' (did you mean 'user'?)",
        ),
        (
            f"{LAST}      - user: 5\n      - persona: ho\n",
            f"p.yaml:11:15: examples.1.turns.0.user: {NOT_TEXT}",
        ),
        (f"stile: [a]\n{HEAD}examples:\n{GOOD}{GOOD}", "p.yaml:1:1: unknown field 'stile' (did you mean 'style'?)"),
        (f"style: a\n{HEAD}examples:\n{GOOD}{GOOD}", 'p.yaml:1:8: style: expected a list, not "a"'),
        (
            f"silence: {{wen: a}}\n{HEAD}examples:\n{GOOD}{GOOD}",
            "p.yaml:1:10: 'when' is missing\np.yaml:1:11: unknown field 'wen' (did you mean 'when'?)",
        ),
        (
            f"user: Two words\n{HEAD}examples:\n{GOOD}{GOOD}",
            'p.yaml:1:7: user: "Two words" is no name here: no spaces and no marks; expected ^[^\\s<|\\\\/>:]{1,64}$',
        ),
        (
            f"{HEAD}user: TIM\nexamples:\n{GOOD}{GOOD}",
            "p.yaml:1:1: name and user are both 'Tim'; the other side needs a name of its own",
        ),
    ],
)
def test_a_wrong_persona_is_told_in_one_line(tmp_path: Path, text: str, expected: str) -> None:
    """Each mistake gives its place and what was expected, and nothing that only follows from it."""
    path = tmp_path / "p.yaml"
    path.write_text(text)
    assert refusal(load_persona, path).replace(f"{tmp_path}/", "") == expected


def test_a_persona_reads_with_its_defaults(tmp_path: Path) -> None:
    """Name, description, system prompt and two examples are enough; what is for training stays out of generation."""
    path = tmp_path / "p.yaml"
    path.write_text(f"{HEAD}examples:\n{GOOD}{GOOD}")
    persona = load_persona(path)
    assert [line.turn for line in persona.examples[0].turns] == [Turn(USER, "hi"), Turn(PERSONA, "ho")]
    assert persona.for_generation() == {
        "name": "Tim",
        "description": "A tutor.",
        "style": (),
        "rules": (),
        "user": "User",
        "silence": None,
    }


def test_the_example_persona_is_complete() -> None:
    """The persona of the repository reads, with worked examples enough for a small model."""
    persona = load_persona(ROOT / "prompts" / "tim.yaml")
    assert (persona.name, persona.user, persona.silence is not None) == ("Tim", "Student", True)
    assert len(persona.examples) >= 8


VALUES: dict[str, Any] = {"persona": {"name": "Tim"}, "turns": [], "example": Turn(USER, "hi")}
THERE = "there are: example, persona, turns"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n{{ persna.name }}", f":2: template: 'persna' is undefined (did you mean 'persona'?); {THERE}"),
        ("{{ zzz }}", f":1: template: 'zzz' is undefined; {THERE}"),
        ("a\n\n{{ persona.nam }}", ":3: template: 'dict object' has no attribute 'nam' (did you mean 'name'?)"),
        (
            "{{ example.txt }}",
            ":1: template: 'synth.conversation.Turn object' has no attribute 'txt' (did you mean 'text'?)",
        ),
        ("{{ turns[0].text }}", f":1: template: list object has no element 0; {THERE}"),
        ("a\n{{ 'b' ", ":2: template: unexpected end of template, expected 'end of print statement'."),
        ("a\n{{ turns | joni }}", ":2: template: No filter named 'joni'."),
        ("a\n{% include 'none.j2' %}", ":2: the template none.j2 is missing; `synth init` shows a complete set"),
        ("{{ 1 / 0 }}", ":1: template: ZeroDivisionError: division by zero"),
        ("{% include 't.j2' %}", ":1: template: RecursionError: maximum recursion depth exceeded"),
        (
            "a\n{{ ''.__class__.__mro__[1].__subclasses__() }}",
            ":2: template: access to attribute '__class__' of 'str' object is unsafe; templates run no code",
        ),
        (
            "a\n{{ persona.__class__.__init__.__globals__ }}",
            ":2: template: access to attribute '__init__' of 'StrictUndefined' object is unsafe; templates run no code",
        ),
        (
            "{{ cycler.__init__.__globals__.os.system('true') }}",
            ":1: template: access to attribute '__init__' of 'type' object is unsafe; templates run no code",
        ),
        (
            "{{ turns.append(1) }}",
            ":1: template: access to attribute 'append' of 'list' object is unsafe; templates run no code",
        ),
        (
            "{% for i in range(10**9) %}{{ i }}{% endfor %}",
            ":1: template: OverflowError: Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).",
        ),
    ],
)
def test_a_wrong_template_is_told_in_one_line(tmp_path: Path, text: str, expected: str) -> None:
    """A mistake in a template, and an attempt to get out of it, gives its file, its line and what is wrong there."""
    path = tmp_path / "t.j2"
    path.write_text(text)
    said = refusal(lambda: Templates(tmp_path).render("t.j2", **VALUES))
    assert said.replace(" while calling a Python object", "") == f"{path}{expected}"
    assert VALUES["turns"] == []


def test_a_mistake_in_an_included_template_is_told_there(tmp_path: Path) -> None:
    """The place is that of the text that is wrong, not of the one that includes it."""
    (tmp_path / "t.j2").write_text("{% include 'part.j2' %}")
    (tmp_path / "part.j2").write_text("a\n{{ persna }}")
    said = refusal(lambda: Templates(tmp_path).render("t.j2", **VALUES))
    assert said == f"{tmp_path}/part.j2:2: template: 'persna' is undefined (did you mean 'persona'?); {THERE}"
    (tmp_path / "part.j2").write_text("a\n{% if %}")
    place = f"{tmp_path}/part.j2:2: template: Expected an expression, got 'end of statement block'"
    assert refusal(lambda: Templates(tmp_path).render("t.j2")) == place
    assert refusal(lambda: Templates(tmp_path).fingerprint("t.j2")) == place


def test_a_missing_template_is_told(tmp_path: Path) -> None:
    """Rendering it and hashing it say the same, with the way to a complete set."""
    expected = f"{tmp_path}/t.j2: the template t.j2 is missing; `synth init` shows a complete set"
    assert refusal(lambda: Templates(tmp_path).render("t.j2")) == expected
    assert refusal(lambda: Templates(tmp_path).fingerprint("t.j2")) == expected


def test_a_template_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    """The hash, which every plan takes first, names the encoding."""
    (tmp_path / "t.j2").write_bytes(b"caf\xe9")
    said = refusal(lambda: Templates(tmp_path).fingerprint("t.j2"))
    assert said == f"{tmp_path}/t.j2: not UTF-8 text (byte 3); save the file as UTF-8"


@given(text=st.text("{}%#-\n |'\"._()[]*0123abcdefilnorst", max_size=60))
def test_any_template_renders_or_is_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Whatever stands in a template, rendering it gives text or an InputError that names the file."""
    folder = tmp_path_factory.getbasetemp()
    (folder / "any.j2").write_text(text)
    templates = Templates(folder)
    said = refusal(lambda: templates.render("any.j2", **VALUES))
    assert said.startswith(str(folder)) or isinstance(templates.render("any.j2", **VALUES), str)


def test_the_hash_of_a_template_covers_what_it_includes(tmp_path: Path) -> None:
    """A change in a part changes the whole; a name that is known only when rendered, and a circle, do no harm."""
    (tmp_path / "t.j2").write_text("{% include 'part.j2' %}{% include 'a' ~ 'b' %}")
    (tmp_path / "part.j2").write_text("one{% include 't.j2' %}")
    before = Templates(tmp_path).fingerprint("t.j2")
    assert Templates(tmp_path).fingerprint("t.j2") == before
    (tmp_path / "part.j2").write_text("two")
    assert Templates(tmp_path).fingerprint("t.j2") != before


def test_the_hash_of_plain_data_is_that_of_what_it_says() -> None:
    """The order of keys does not count; every value does; the hash is the same on every machine."""
    assert fingerprint({"a": 1, "b": ["ä"]}) == fingerprint({"b": ["ä"], "a": 1}) == "444833fc4cebd3bc"
    assert fingerprint({"a": 1, "b": ["a"]}) != fingerprint({"a": 1, "b": ["ä"]})


@pytest.mark.parametrize("mode", sorted(TEMPLATES))
def test_the_example_templates_render_for_every_mode(mode: str) -> None:
    """Each template of the repository renders with the persona, a scenario and a talk, and shows what it is about."""
    project = open_project({"mode": mode}, ROOT, {})
    scenario = make_plan(project, Scripted([]).traits).scenarios[0]
    turns = [Turn(USER, "hello there"), Turn(PERSONA, "good day")]
    values = {
        "persona": project.persona.for_generation(),
        "scenario": scenario,
        "card": scenario.card,
        "labels": {USER: "STUDENT:", PERSONA: "TIM:"},
        "examples": [{"topic": "an example", "audience": "", "turns": turns}],
        "turns": turns,
        "next": PERSONA,
        "end": "<end>",
        "structured": False,
    }
    texts = {name: project.templates.render(name, **values) for name in TEMPLATES[mode]}
    for name, text in texts.items():
        assert "Tim" in text
        assert (scenario.topic in text) is (name != "persona.j2" or bool(scenario.expect))
        assert text == text.strip("\n")


def test_the_training_template_is_the_system_prompt() -> None:
    """Every training example opens with the persona's own system prompt and nothing else."""
    project = open_project({}, ROOT, {})
    assert project.templates.render(TRAINING, persona=project.persona.model_dump()) == project.persona.system
