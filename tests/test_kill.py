"""Pulling the plug: `kill -9` at random moments of a run loses nothing, doubles nothing, asks nothing twice."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import make_project
from tests.server import Answer, Behaviour, Server, serve, talk
from tests.test_faults import command

KILLS = 5
CONCURRENCY = 4


def run(folder: Path, server: Server) -> "subprocess.Popen[bytes]":
    """Start `synth run` against the server."""
    args = ("run", "--model", "openai/demo", "--base-url", server.base_url, "--concurrency", str(CONCURRENCY))
    return subprocess.Popen(command(*args), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def committed(folder: Path) -> set[str]:
    """Return the texts of all replies in the store; each request has another one."""
    path = folder / "data" / "synth.db"
    if not path.exists():
        return set()
    with sqlite3.connect(path) as db:
        texts = (
            {row[0] for row in db.execute("select text from reply")}
            if db.execute("pragma user_version").fetchone()[0]
            else set()
        )
    db.close()
    return texts


def text_of(body: dict[str, Any]) -> str:
    """Return what the server answers to this request."""
    content: str = talk("/chat/completions", body, 0).body["choices"][0]["message"]["content"]
    return content


def killing(process: "list[subprocess.Popen[bytes]]", at: int) -> Behaviour:
    """Return a behaviour that kills the process when request number ``at`` comes, and talks until then."""

    def behaviour(path: str, body: dict[str, Any], number: int) -> Answer:
        if number == at:
            os.kill(process[0].pid, signal.SIGKILL)
        return talk(path, body, number)

    return behaviour


@pytest.mark.parametrize("seed", range(4))
def test_kill_at_random_moments(tmp_path: Path, seed: int) -> None:
    """After each kill the next run asks for nothing that was committed; in the end all is as without a kill."""
    folder = make_project(tmp_path / "killed")
    whole = shutil.copytree(folder, tmp_path / "whole")
    with serve(talk) as server:
        assert run(whole, server).wait(timeout=60) == 0
        requests = len(server.bodies)
    draw = random.Random(seed)
    for kill in range(KILLS + 1):
        before = committed(folder)
        # The moment: at a request, before or after it is answered, anywhere in what is left of the run.
        at = draw.randrange(max(1, (requests - len(before)) // (KILLS - kill + 1))) + draw.randrange(2)
        process: list[subprocess.Popen[bytes]] = []
        behaviour = killing(process, at) if kill < KILLS else talk
        with serve(behaviour) as server:
            process.append(run(folder, server))
            status = process[0].wait(timeout=60)
            asked = {text_of(body) for body in server.bodies}
        assert status == (-signal.SIGKILL if kill < KILLS else 0)
        assert not asked & before
        assert before <= committed(folder)
    assert len(committed(folder)) == requests
    for name in ("train.jsonl", "valid.jsonl", "manifest.json"):
        assert (folder / "data" / "dataset" / name).read_bytes() == (whole / "data" / "dataset" / name).read_bytes()
    with sqlite3.connect(folder / "data" / "synth.db") as db:
        assert db.execute("select count(*), count(distinct turns) from transcript").fetchone() == (14, 14)
    db.close()
