"""A small OpenAI-compatible server over real sockets; a test decides what it answers."""

import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_WORDS = (
    *("apple", "bridge", "candle", "dragon", "engine", "forest", "garden", "harbour", "island", "jacket", "kettle"),
    *("ladder", "mirror", "needle", "orange", "pencil", "quarry", "ribbon", "saddle", "tunnel", "umbrella", "violin"),
    *("window", "yellow", "zebra", "anchor", "barrel", "copper", "desert", "feather", "guitar", "hammer"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server sends: a text as it is, anything else as JSON; or nothing at all, where it drops the line."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: bool = False


#: Gets the path, the parsed body and the number of the request, counted from 0.
Behaviour = Callable[[str, dict[str, Any], int], Answer]


@dataclass(slots=True)
class Server:
    """A running server, and what it was asked: path and parsed body, in order."""

    base_url: str
    _behaviour: Behaviour
    _models: tuple[str, ...]
    _asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _lines: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def requests(self) -> list[tuple[str, dict[str, Any]]]:
        """What was asked so far."""
        with self._lock:
            return list(self._asked)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The bodies of the requests for a completion."""
        return [body for path, body in self.requests if path != "/models"]

    def answer(self, path: str, body: dict[str, Any]) -> Answer:
        """Note a request and answer it."""
        with self._lock:
            number = sum(earlier != "/models" for earlier, _ in self._asked)
            self._asked.append((path, body))
        if path == "/models" and self._models:
            return Answer(body={"object": "list", "data": [{"id": name, "object": "model"} for name in self._models]})
        if path == "/models":
            return fault(404, "no such path")
        return self._behaviour(path, body, number)

    def opened(self, line: socket.socket) -> None:
        """Remember a connection, so that it can be closed."""
        with self._lock:
            self._lines.add(line)

    def closed(self, line: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._lines.discard(line)

    def hang_up(self) -> None:
        """End every connection, so that the threads that wait on them end too."""
        self.closing.set()
        with self._lock:
            for line in self._lines:
                try:
                    line.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


@contextmanager
def serve(behaviour: Behaviour, models: tuple[str, ...] = ("demo", "demo-large")) -> Iterator[Server]:
    """Run a server with these models on a free loopback port until the block ends."""
    listening = _Listening(("127.0.0.1", 0), _Handler)
    listening.synth = Server(f"http://127.0.0.1:{listening.server_port}/v1", behaviour, models)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield listening.synth
    finally:
        listening.shutdown()
        listening.synth.hang_up()
        thread.join()
        listening.server_close()


def nobody() -> str:
    """Return the base URL of a port on which nothing listens."""
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{line.getsockname()[1]}/v1"


class _Listening(ThreadingHTTPServer):
    daemon_threads = False
    synth: Server

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listening

    def setup(self) -> None:
        super().setup()
        self.server.synth.opened(self.connection)

    def finish(self) -> None:
        self.server.synth.closed(self.connection)
        super().finish()

    def do_GET(self) -> None:
        self._send(self.server.synth.answer(self.path.removeprefix("/v1"), {}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._send(self.server.synth.answer(self.path.removeprefix("/v1"), body))

    def _send(self, answer: Answer) -> None:
        if answer.delay:
            self.server.synth.closing.wait(answer.delay)
        if answer.drop:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        headers = {"content-type": "application/json", "content-length": str(len(text.encode()))}
        self.send_response(answer.status)
        for name, value in (headers | dict(answer.headers)).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Keep quiet."""


def reply(text: str | None, finish: str = "stop", usage: tuple[int, int] = (7, 5), **message: Any) -> Answer:
    """Return the answer of a chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    return Answer(body={"choices": [choice], "usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1]}})


def fault(status: int, message: str, headers: Mapping[str, str] | None = None, **error: Any) -> Answer:
    """Return an error in OpenAI's form."""
    return Answer(status, {"error": {"message": message, "type": "error", **error}}, headers or {})


def busy(retry_after: float | None = 0) -> Answer:
    """Return a 429, with or without the time to wait."""
    return fault(429, "too many requests", {} if retry_after is None else {"retry-after": str(retry_after)})


BROKEN = fault(500, "out of order", {"retry-after": "0"})
DROPPED = Answer(drop=True)
NOT_JSON = Answer(body="<html>hello</html>")
NO_CHOICE = Answer(body={"choices": []})
CUT = reply("and then it", "length")
FILTERED = reply("I should", "content_filter")
REFUSED = reply(None, refusal="I will not say that.")
NO_MODEL = fault(404, "the model does not exist", code="model_not_found")


def always(answer: Answer) -> Behaviour:
    """Give every request this answer."""

    def behaviour(path: str, body: dict[str, Any], number: int) -> Answer:
        return answer

    return behaviour


def in_turn(*answers: Answer, then: Behaviour | None = None) -> Behaviour:
    """Give these answers to the first requests, and what ``then`` says (by default, talk) to all after them."""
    last = then or talk
    return lambda path, body, number: answers[number] if number < len(answers) else last(path, body, number)


def knows_not(*names: str) -> Behaviour:
    """Refuse, one at a time, the parameters that the server does not know, and talk where there is none."""

    def behaviour(path: str, body: dict[str, Any], number: int) -> Answer:
        found = next((name for name in names if name in body), None)
        if found:
            return fault(400, f"unknown parameter: '{found}'", param=found, code="unknown_parameter")
        return talk(path, body, number)

    return behaviour


def talk(path: str, body: dict[str, Any], number: int) -> Answer:
    """Say something else to every other request, and the same to the same one whenever it is asked."""
    digest = hashlib.blake2b(json.dumps(body, sort_keys=True).encode(), digest_size=64).digest()
    if path == "/completions":
        topic = re.findall(r"^Topic: (.*)$", body["prompt"], re.MULTILINE)[-1]
        said = f"{topic.split()[-1]} {_sentence(digest)}"
        choice = {"index": 0, "text": f" {said}", "finish_reason": "stop"}
        return Answer(body={"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 5}})
    if "response_format" not in body:
        return reply(_sentence(digest))
    count = int(re.findall(r"(\d+) messages", body["messages"][-1]["content"])[-1])
    turns = [{"speaker": ("user", "persona")[i % 2], "text": _sentence(digest[7 * i :])} for i in range(count)]
    return reply(json.dumps({"turns": turns}))


def _sentence(digest: bytes) -> str:
    return " ".join(_WORDS[byte % len(_WORDS)] for byte in digest[:7])
