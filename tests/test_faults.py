"""What goes wrong, and the one line that is said about it."""

import os
import pty
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from synth.store import VERSION, Store
from tests.cli import Shell
from tests.server import NO_MODEL, Answer, always, fault, nobody, serve, talk

KEY = "sk-a-key-that-nobody-must-see"


def one_line(text: str) -> str:
    """Return the last line of what was said, which is the complaint."""
    return text.splitlines()[-1]


def test_model_that_does_not_exist(synth: Shell) -> None:
    """The server's own list gives the nearest name."""
    with serve(always(NO_MODEL)) as server:
        ended = synth("run", "-n", "2", "--model", "openai/demmo", "--base-url", server.base_url)
    assert ended.status == 1
    assert one_line(ended.err) == (
        f"synth: {server.base_url} has no model 'demmo' (did you mean 'demo'?); it has: demo, demo-large"
    )


def test_missing_key(synth: Shell) -> None:
    """Without a key nothing is sent to a server that is not on this machine."""
    ended = synth("run", "-n", "2", "--model", "openai/gpt-x")
    assert ended.status == 1
    assert one_line(ended.err) == (
        "synth: no key for https://api.openai.com/v1: set OPENAI_API_KEY in the environment, or another --base-url"
    )


def test_refused_key_is_not_shown(synth: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that quotes the key it refuses does not get it into the message, the store or the dataset."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serve(always(fault(401, f"incorrect key {KEY}"))) as server:
        ended = synth("run", "-n", "2", "--model", "openai/demo", "--base-url", server.base_url)
    assert ended.status == 1
    assert one_line(ended.err) == f"synth: {server.base_url} refused the key (status 401): incorrect key ***"
    for path in (synth.folder / "data").rglob("*"):
        assert KEY.encode() not in path.read_bytes()


def test_server_that_is_down(synth: Shell) -> None:
    """A server that nobody answers at ends the run, after the set number of tries, with its address."""
    path = synth.folder / "synth.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "retries: 1\n", encoding="utf-8")
    base_url = nobody()
    ended = synth("run", "--model", "openai/demo", "--base-url", base_url, "--concurrency", "2")
    assert ended.status == 1
    assert one_line(ended.err) == (
        f"synth: 3 talks in a row failed; the last: no connection to {base_url}: is the server running?"
    )


def test_wrong_model_names(synth: Shell) -> None:
    """A model is PROVIDER/MODEL, and the nearest known name is given."""
    assert (
        synth("plan", "--model", "gpt").err
        == "synth: the model 'gpt' is not PROVIDER/MODEL; for example openai/gpt-5.4-mini\n"
    )
    assert synth("plan", "--model", "opnai/gpt").err == (
        "synth: no provider named 'opnai' (did you mean 'openai'?); there are: local, openai, scripted\n"
    )
    assert synth("plan", "--model", "local/smolm2-135m").err == (
        "synth: no embedded model 'smolm2-135m' (did you mean 'smollm2-135m'?); there is local/smollm2-135m, "
        "or local//path/to/model.gguf\n"
    )
    assert (
        one_line(synth("run", "--model", "local//nowhere/x.gguf").err) == "synth: no such model file: /nowhere/x.gguf"
    )


def test_two_runs_at_once(synth: Shell) -> None:
    """The second writer is told, and the first one is not disturbed; looking on is allowed."""
    store = synth.folder / "data" / "synth.db"
    with Store(store, writing=True):
        ended = synth("run", "-n", "2")
        assert (ended.status, ended.err) == (
            1,
            "synth: data/synth.db is in use by another synth run; wait for it, or stop it\n",
        )
        assert synth("status").status == 0
    assert synth("run", "-n", "2").status == 0


def test_store_of_a_newer_version(synth: Shell) -> None:
    """A store that a newer synth has made is left alone."""
    synth("generate", "-n", "2")
    with sqlite3.connect(synth.folder / "data" / "synth.db") as db:
        db.execute(f"pragma user_version = {VERSION + 1}")
    db.close()
    ended = synth("run", "-n", "3")
    assert (ended.status, ended.err) == (
        1,
        f"synth: data/synth.db was made by a newer synth (store version {VERSION + 1}, here {VERSION}); update synth\n",
    )


def test_misspelt_variable_in_a_template(synth: Shell) -> None:
    """The template, the line and the nearest name are given; nothing is made."""
    (synth.folder / "prompts" / "user.j2").write_text("You are\n{{ scenari.audience }}\n", encoding="utf-8")
    ended = synth("run", "-n", "2")
    assert ended.status == 1
    assert one_line(ended.err).startswith(
        "synth: prompts/user.j2:2: template: 'scenari' is undefined (did you mean 'scenario'?); there are: "
    )


def test_usage_errors_exit_2(synth: Shell) -> None:
    """What click refuses exits 2, and a misspelt command gets the nearest name."""
    assert synth("run", "-n", "0").status == 2
    ended = synth("genrate")
    assert ended.status == 2
    assert "No such command 'genrate' (did you mean 'generate'?)." in ended.err


def command(*args: str) -> list[str]:
    """Return the words that run synth as a process of its own."""
    return [sys.executable, "-c", "from synth.cli import main; main()", *args]


def interrupting(pid: list[int], at: int, sign: signal.Signals) -> Any:
    """Return a behaviour that sends a signal to the process when its request number ``at`` comes."""

    def behaviour(path: str, body: dict[str, Any], number: int) -> Answer:
        if number == at:
            os.kill(pid[0], sign)
        return talk(path, body, number)

    return behaviour


def test_ctrl_c_saves_what_is_in_flight(project_dir: Path) -> None:
    """Ctrl-C in the middle: what is in flight is answered and kept, and the next run asks for none of it."""
    pid: list[int] = []
    with serve(interrupting(pid, 20, signal.SIGINT)) as server:
        args = ("generate", "--model", "openai/demo", "--base-url", server.base_url, "--concurrency", "4")
        process = subprocess.Popen(command(*args), cwd=project_dir, stderr=subprocess.PIPE, text=True)
        pid.append(process.pid)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 3
        assert "stopped; everything answered so far is saved, and the same command goes on from here" in err
        stopped = server.bodies
        again = subprocess.run(command(*args), cwd=project_dir, capture_output=True, text=True, timeout=60, check=False)
        assert again.returncode == 0
        assert not [body for body in server.bodies[len(stopped) :] if body in stopped]


def test_second_ctrl_c_does_not_wait(project_dir: Path) -> None:
    """A second Ctrl-C ends a run whose requests hang."""
    pid: list[int] = []
    hang = threading.Event()

    def behaviour(path: str, body: dict[str, Any], number: int) -> Answer:
        os.kill(pid[0], signal.SIGINT)
        hang.wait(0.2)
        os.kill(pid[0], signal.SIGINT)
        return Answer(delay=60)

    with serve(behaviour) as server:
        args = ("generate", "--model", "openai/demo", "--base-url", server.base_url, "--concurrency", "1")
        process = subprocess.Popen(command(*args), cwd=project_dir, stderr=subprocess.PIPE, text=True)
        pid.append(process.pid)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert one_line(err) == "synth: stopped"


def test_progress_in_a_terminal(project_dir: Path) -> None:
    """In a terminal there is a live line with what is done, playing and spent."""
    main_end, terminal = pty.openpty()
    with serve(lambda path, body, number: Answer(delay=0.05) if path == "x" else talk(path, body, number)) as server:
        args = ("generate", "--model", "openai/demo", "--base-url", server.base_url, "--concurrency", "1")
        environ = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
        process = subprocess.Popen(command(*args), cwd=project_dir, stderr=terminal, env=environ)
        os.close(terminal)
        seen = b""
        try:
            while chunk := os.read(main_end, 65536):
                seen += chunk
        except OSError:  # how Linux says that the other end of a terminal is closed
            pass
        assert process.wait(timeout=60) == 0
        os.close(main_end)
    assert b"playing" in seen
    assert b"tokens" in seen
    assert b"/14" in seen


def test_a_reader_that_goes_away(project_dir: Path) -> None:
    """`synth topics --list | head -1` ends without a traceback."""
    pipe = subprocess.Popen(
        command("topics", "--list"), cwd=project_dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert pipe.stdout
    assert pipe.stderr
    pipe.stdout.close()
    err = pipe.stderr.read()
    pipe.stderr.close()
    assert (pipe.wait(timeout=30), err) == (1, b"")
