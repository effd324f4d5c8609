"""Answers without a model: by rule (``scripted/demo``) or from a file (``scripted//path/to/replies.jsonl``).

For dry runs from the command line, and for tests. What it makes is labelled with its name like any other model's.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import jsonlines

from synth.errors import InputError, Place, RequestRefusedError, TransientError, nearest
from synth.project import Sampling
from synth.providers.base import Options, Provider, Reply, Request, Traits

DEMO = "demo"


def open_scripted(name: str, options: Options) -> Provider:  # noqa: ARG001 - a provider's opener has both
    """Open the rule or a file of replies; raises InputError."""
    if name == DEMO:
        return Scripted([])
    if not name.endswith(".jsonl"):
        raise InputError(
            f"no script {name!r}{nearest(name, [DEMO])}; there is scripted/demo, or scripted//path/to/replies.jsonl"
        )
    return Scripted(load_script(Path(name)))


def load_script(path: Path) -> list[dict[str, str]]:
    """Read a file of replies.

    One JSON object a line: ``reply``, and optionally ``when``, a text that the end of the request must hold;
    ``finish`` (stop, length, content_filter); ``error`` (transient, refused) in place of a reply.
    """
    rows = []
    try:
        with jsonlines.open(path) as lines:
            for number, row in enumerate(lines.iter(type=dict), 1):
                if problem := _problem(row):
                    raise InputError(problem, Place(path, number))
                rows.append(row)
    except jsonlines.InvalidLineError as error:
        raise InputError(f"not a JSON object: {error}", Place(path, error.lineno)) from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", Place(path)) from error
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8 text; save the file as UTF-8", Place(path)) from error
    return rows


def _problem(row: dict[str, Any]) -> str | None:
    if row.keys() - {"reply", "when", "finish", "error"} or not row.keys() & {"reply", "error"}:
        return "expected 'reply' or 'error', and 'when' and 'finish' if wanted"
    if wrong := next((name for name, value in row.items() if not isinstance(value, str)), None):
        return f"{wrong}: expected text, not {row[wrong]!r}"
    if row.get("error", "refused") not in {"transient", "refused"}:
        return f"error: expected transient or refused, not {row['error']!r}"
    if row.get("finish", "stop") not in {"stop", "length", "content_filter"}:
        return f"finish: expected stop, length or content_filter, not {row['finish']!r}"
    return None


class Scripted:
    """The first row whose ``when`` is in the end of the request; without a row, a sentence made by rule.

    Rows without ``when`` are taken in turn, one a request.
    """

    def __init__(self, rows: list[dict[str, str]]) -> None:
        self._when = [row for row in rows if row.get("when")]
        self._turns = [row for row in rows if not row.get("when")]
        self._asked = 0
        note = "no model at all: sentences made by rule, to see the tool at work"
        self.traits = Traits("duet", 16, Sampling(), note, paid=False)

    async def complete(self, request: Request) -> Reply:
        """Answer one request."""
        end = request.prompt[-200:] if request.prompt else request.messages[-1].content
        row = next((row for row in self._when if row["when"] in end), None)
        if row is None and self._turns:
            row = self._turns[self._asked % len(self._turns)]
            self._asked += 1
        if row is None:
            row = {"reply": by_rule(request)}
        if row.get("error") == "transient":
            raise TransientError(row.get("reply", "scripted fault"), retry_after=0)
        if row.get("error"):
            raise RequestRefusedError(row.get("reply", "scripted refusal"))
        finish: Any = row.get("finish", "stop")
        return Reply(row["reply"], finish, len(end.split()), len(row["reply"].split()))

    async def close(self) -> None:
        """Nothing to let go of."""


_ASKS = ("what is it about", "how does it begin", "why is it so", "can you show me", "what comes next", "and then what")
_SAYS = ("Look at it from the start", "Take one small piece of it", "Think of your kitchen", "Draw it on paper first")
_TAILS = ("and count to three", "before we go on", "then tell me what you see", "and it will make sense")


def by_rule(request: Request) -> str:
    """Make an answer from the request's hash alone: the same request always gets the same one."""
    digest = hashlib.blake2b(request.key().encode(), digest_size=8).digest()
    if request.schema:
        count = _wanted(request)
        turns = [{"speaker": "user" if i % 2 == 0 else "persona", "text": _sentence(digest, i)} for i in range(count)]
        return json.dumps({"turns": turns})
    # A user is asked with one message; the persona with its system prompt and the talk, an even number.
    return _sentence(digest, len(request.messages) + 1)


def _wanted(request: Request) -> int:
    """Read from the prompt how many messages the talk should have."""
    found = re.search(r"(\d+) messages", request.messages[-1].content)
    return int(found[1]) if found else 4


def _sentence(digest: bytes, index: int) -> str:
    a, b, c = (digest[(index + offset) % len(digest)] for offset in (0, 3, 5))
    if index % 2 == 0:
        return f"{_ASKS[a % len(_ASKS)]}, part {b}?"
    return f"{_SAYS[a % len(_SAYS)]} {_TAILS[b % len(_TAILS)]}, number {c}."
