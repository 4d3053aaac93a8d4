"""The server of the page: this machine only, three files, one question; whatever else comes is refused.

It listens on 127.0.0.1. A page of another site cannot ask it: Host must be this server's, so that no foreign name leads
here (DNS rebinding), and a question's Origin too. Nothing of an address is ever a path on the disk.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from threading import BoundedSemaphore, Lock
from typing import Any, NamedTuple, NoReturn

from ..errors import FormatError, GraphnnError
from .look import Look

__all__ = ["LONGEST", "MAX_BYTES", "Server"]

HOST = "127.0.0.1"
MAX_BYTES = 10 << 20  # of a picture
_PATIENCE = 10.0  # seconds until the next bytes
LONGEST = 60.0  # seconds for a whole request
_MOST = 32  # connections at a time
_PICTURES = ("image/png", "image/jpeg", "image/webp", "image/bmp", "image/gif")
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/demo.js": ("demo.js", "text/javascript; charset=utf-8"),
    "/demo.css": ("demo.css", "text/css; charset=utf-8"),
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob: data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class _Page(NamedTuple):
    body: bytes
    kind: str


class _Refusal(Exception):
    """A request that is answered with a status and a reason."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Server(ThreadingHTTPServer):
    """The page of one network at `url`; serve_forever() runs it, a thread for each connection, 32 at a time.

    Port 0 takes any that is free. Raises OSError for one that is taken.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = _MOST

    def __init__(self, look: Look, port: int = 0) -> None:
        self.look = look
        self._places, self._lock = BoundedSemaphore(_MOST), Lock()
        self._begun: dict[socket.socket, float] = {}
        root = resources.files(__package__)
        self.pages = {path: _Page(root.joinpath(name).read_bytes(), kind) for path, (name, kind) in _FILES.items()}
        about = look.about() | {"most": MAX_BYTES}
        self.pages["/run.json"] = _Page(json.dumps(about).encode(), "application/json")
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise OSError(error.errno, error.strerror, f"port {port}") from None
        self.port = self.server_address[1]
        self.hosts = (f"{HOST}:{self.port}", f"localhost:{self.port}")
        self.url = f"http://{HOST}:{self.port}/"

    def server_bind(self) -> None:
        """Bind without HTTPServer's look-up of the machine's name."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = HOST, self.server_address[1]

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Refuse a connection where there are enough."""
        return self._places.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, and keep its beginning, so that it ends."""
        with self._lock:
            self._begun[request] = time.monotonic()
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                del self._begun[request]
            self._places.release()

    def service_actions(self) -> None:
        """End what takes too long, whatever it trickles; called twice a second."""
        with self._lock:
            old = [s for s, begun in self._begun.items() if time.monotonic() - begun > LONGEST]
        for connection in old:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One request; the connection ends with it."""

    server: Server
    timeout = _PATIENCE
    server_version, sys_version = "graphnn", ""

    def do_GET(self) -> None:
        self._reply(lambda: self.server.pages.get(self.path) or _refuse(HTTPStatus.NOT_FOUND, "no such page"))

    def do_POST(self) -> None:
        self._reply(self._answer)

    def _refused(self) -> None:
        self._reply(lambda: _refuse(HTTPStatus.METHOD_NOT_ALLOWED, "GET and POST only"))

    do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_CONNECT = do_TRACE = _refused

    def _reply(self, make: Any) -> None:
        try:
            self._check_host()
            page = make()
        except _Refusal as refusal:
            self._send(refusal.status, _said(refusal.reason))
        else:
            self._send(HTTPStatus.OK, page)

    def _check_host(self) -> None:
        if self.headers.get_all("Host", []) not in ([host] for host in self.server.hosts):
            _refuse(HTTPStatus.MISDIRECTED_REQUEST, "this server has another name")

    def _answer(self) -> _Page:
        """What the network says of the picture in the body."""
        if self.path != "/look":
            _refuse(HTTPStatus.NOT_FOUND, "no such page")
        if self.headers.get("Origin", "") not in [f"http://{host}" for host in self.server.hosts]:
            _refuse(HTTPStatus.FORBIDDEN, "only this server's own page may ask")
        if self.headers.get("Content-Type") not in _PICTURES:
            _refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"a picture is one of {', '.join(_PICTURES)}")
        try:
            return _Page(json.dumps(self.server.look.answer(self._body())).encode(), "application/json")
        except FormatError as error:
            _refuse(HTTPStatus.UNPROCESSABLE_ENTITY, f"{error.where}: {error.reason}")
        except GraphnnError as error:
            _refuse(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))

    def _body(self) -> bytes:
        lengths = self.headers.get_all("Content-Length", [])
        if "Transfer-Encoding" in self.headers or len(lengths) != 1:
            _refuse(HTTPStatus.LENGTH_REQUIRED, "give one Content-Length")
        if not (lengths[0].isascii() and lengths[0].isdigit() and len(lengths[0]) < 16):
            _refuse(HTTPStatus.BAD_REQUEST, "Content-Length is no number")
        if int(lengths[0]) > MAX_BYTES:
            _refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a picture may have {MAX_BYTES >> 20} MB")
        try:
            body = self.rfile.read(int(lengths[0]))
        except TimeoutError:
            _refuse(HTTPStatus.REQUEST_TIMEOUT, "the picture did not come")
        if len(body) < int(lengths[0]):
            _refuse(HTTPStatus.BAD_REQUEST, "the picture is not whole")
        return body

    def _send(self, status: HTTPStatus, page: _Page) -> None:
        if self.request_version == "HTTP/0.9":  # it has no place for a status
            self.request_version = "HTTP/1.0"
        self.send_response(status)
        headers: Mapping[str, str] = {"Content-Type": page.kind, "Content-Length": str(len(page.body)), **_HEADERS}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is no request at all, without showing it again; an unknown method is the client's fault, too."""
        self.close_connection = True
        self._send(HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else _client(code), _said("bad"))

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: a request's line could steer a terminal."""


def _refuse(status: HTTPStatus, reason: str) -> NoReturn:
    raise _Refusal(status, reason)


def _client(code: int) -> HTTPStatus:
    return HTTPStatus(code) if 400 <= code < 500 else HTTPStatus.BAD_REQUEST


def _said(reason: str) -> _Page:
    return _Page(json.dumps({"error": reason}).encode(), "application/json")
