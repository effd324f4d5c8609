"""Write the pages that are made from the code: docs/commands.md and docs/settings.md, for `make docs`."""

import json
from pathlib import Path
from typing import Any

import click

from synth.cli import COMMANDS, synth
from synth.project import Settings

FOLDER = Path(__file__).parent


def commands() -> str:
    """Return the page of all commands, as `--help` prints them."""
    parts = ["# Commands\n\nMade from `--help` by `make docs`; a test compares.\n"]
    context = click.Context(synth, info_name="synth", **synth.context_settings)
    parts.append(_block(synth, context))
    for name in COMMANDS:
        command = synth.get_command(context, name)
        assert command
        parts.append(f"## synth {name}\n")
        parts.append(_block(command, click.Context(command, info_name=name, parent=context)))
    return "\n".join(parts)


def _block(command: click.Command, context: click.Context) -> str:
    context.max_content_width = context.terminal_width = 100
    return f"```text\n{command.get_help(context)}\n```\n"


def settings() -> str:
    """Return the page of all settings."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for name, row in Settings.model_json_schema()["properties"].items():
        rows.append(f"| `{name}` | {_default(row.get('default'))} | {row['description']} |")
    table = "\n".join(rows)
    return f"""# Settings

Made from the code by `make docs`; a test compares.

A setting comes from the command's option (`--base-url`), else from the environment (`SYNTH_BASE_URL`; `OPENAI_BASE_URL` for this
one too), else from `synth.yaml`, else it has its default. Paths are relative to `synth.yaml`. The key of a server is never a
setting: it is read from `OPENAI_API_KEY` in the environment and written nowhere.

{table}

`turns` has `min` and `max`, both even or rounded to even. `sampling` has `temperature`, `top_p`, `min_p`, `repeat_penalty` and
`max_tokens`; what is left out is the model's own default.
"""


def _default(value: Any) -> str:
    nothing = value is None or (isinstance(value, dict) and set(value.values()) == {None})
    return "" if nothing else f"`{json.dumps(value)}`".replace('"', "")


if __name__ == "__main__":
    (FOLDER / "commands.md").write_text(commands(), encoding="utf-8")
    (FOLDER / "settings.md").write_text(settings(), encoding="utf-8")
