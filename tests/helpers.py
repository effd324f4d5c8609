"""What several test files need: a small project that is complete, on disk."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from synth.errors import InputError

#: The repository, with the example project in it.
ROOT = Path(__file__).parent.parent

PERSONA = """\
name: Tim
user: Student
description: Tim is a patient tutor with a dry sense of humour.
style: [short sentences, one step at a time]
rules: [never does the homework]
system: You are Tim, a patient tutor.
silence: {when: the student goes on insulting him, mark: <silence>}
examples:
  - topic: why the sky is blue
    audience: a ten-year-old
    turns:
      - user: hey why is the sky blue
      - persona: Sunlight is all colours mixed, and the air bumps the blue part around most.
  - topic: what a pay slip says
    turns:
      - user: my pay slip says 2100 but i only got 1600
      - persona: The big number is before anything is taken off. What lines stand below it?
      - user: income tax and some insurance
      - persona: Those two are the gap, and both can be checked.
"""

TOPICS = {
    "academic": """\
category: academic
defaults: {audiences: [a ten-year-old, an adult]}
topics:
  - why ice floats on a cold lake
  - how fossils form in mud
  - {topic: what a fraction is, tags: [maths], repeat: 2}
""",
    "adversarial": """\
category: adversarial
topics:
  - {topic: user insults the tutor, expect: [sets a limit, stops replying]}
  - {topic: user wants the homework done, expect: refuses}
  - {topic: user is hungry, expect: asks gently what is wrong}
""",
    "adulting": """\
category: adulting
defaults: {tags: [money]}
topics:
  - how to read a payslip
  - how to open a bank account
  - {topic: how to cook rice, tags: [kitchen]}
""",
}


def make_project(folder: Path) -> Path:
    """Write a small project with a model that needs none into ``folder``, and return the folder."""
    (folder / "topics").mkdir(parents=True)
    (folder / "prompts").mkdir()
    (folder / "synth.yaml").write_text("model: scripted/demo\n", encoding="utf-8")
    for name, text in TOPICS.items():
        (folder / "topics" / f"{name}.yaml").write_text(text, encoding="utf-8")
    (folder / "prompts" / "tim.yaml").write_text(PERSONA, encoding="utf-8")
    for template in (ROOT / "prompts").glob("*.j2"):
        shutil.copy(template, folder / "prompts")
    return folder


def refusal(call: Callable[..., Any], *given: Any) -> str:
    """Call it, and return the message of the InputError that it raises, or nothing where it raises none."""
    try:
        call(*given)
    except InputError as error:
        return str(error)
    return ""
