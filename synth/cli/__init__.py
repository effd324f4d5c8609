"""The command line: one file a command, imported when it is called."""

import sys
from importlib import import_module

import click

from synth import __version__
from synth.errors import SynthError, nearest

#: Commands in the order of a first use, with the line that `synth --help` shows (so that it imports none of them).
COMMANDS = {
    "init": "make a new project for a persona of your own",
    "topics": "list and check the topic files",
    "plan": "say what a run would do, without asking any model",
    "generate": "play the conversations that are not played yet",
    "build": "write the training files",
    "run": "generate, then build (this is what `make synth` does)",
    "status": "say what is in the store",
    "schema": "print the JSON Schema of the YAML files, for editors",
}


class Commands(click.Group):
    """A group whose commands are modules of this package, found by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in COMMANDS:
            ctx.fail(f"No such command {cmd_name!r}{nearest(cmd_name, COMMANDS)}.")
        command: click.Command = import_module(f"synth.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="synth")
def synth() -> None:
    """Topics and a persona in, multi-turn conversations and fine-tune JSONL out.

    Every command works in the project of the folder you stand in (where synth.yaml is). Settings come from the
    command's options, else SYNTH_* in the environment, else synth.yaml.
    """


def main() -> None:
    """Run the command line. Exit status: 0 done, 1 to be mended by the user, 2 usage, 3 less than asked for."""
    try:
        sys.exit(synth(standalone_mode=False))
    except SynthError as error:
        click.echo(f"synth: {error}", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("synth: stopped", err=True)
        sys.exit(130)
