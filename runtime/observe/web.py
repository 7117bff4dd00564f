"""A small HTTP server for the status page and the metrics: GET only, on loopback unless the configuration says more.

What keeps other web pages out: the Host must be an address or ``localhost`` (a name could be rebound to this machine),
nothing is shared across origins, and requests that another site's page makes are refused. What keeps one visitor from
holding up the others: time-outs, and a cap above which the oldest connection is cut.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

from vedette.runtime.config.observe_settings import Listen
from vedette.runtime.events import Event, about

log = logging.getLogger(__name__)

# A request or an answer that makes no progress for this long is given up.
TIMEOUT_S = 5.0
MAX_CONNECTIONS = 8
_POLL_S = 0.05
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Answer(NamedTuple):
    """What a path answers; ``body`` None means that there is nothing to show yet."""

    content_type: str
    body: bytes | None


Routes = Mapping[str, Callable[[], Answer]]


class WebServer:
    """Serves until it is closed, each request on a thread of its own."""

    def __init__(self, listen: Listen, routes: Routes) -> None:
        """``routes`` maps exact paths to what makes their answers. Raises :class:`OSError` where it cannot listen."""
        self.listen = listen
        self._server = _Server(listen, routes)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_S,), name="web", daemon=True)
        self._thread.start()
        log.info("http://%s: %s", listen, ", ".join(sorted(routes)), extra=about(Event.SERVING))

    def close(self) -> None:
        """Stop listening, and cut what is open."""
        self._server.shutdown()
        self._server.server_close()
        self._server.cut_all()


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 16

    def __init__(self, listen: Listen, routes: Routes) -> None:
        self.routes = routes
        self.allow_remote = listen.allow_remote
        self.address_family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
        self._open: dict[socket.socket, None] = {}  # in the order of arrival
        self._lock = threading.Lock()
        super().__init__((listen.host, listen.port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open[request] = None
            if len(self._open) > MAX_CONNECTIONS:
                _cut(next(iter(self._open)))
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A visitor who hangs up is no event."""
        log.debug("web: a request failed", exc_info=True)

    def cut_all(self) -> None:
        with self._lock:
            for request in self._open:
                _cut(request)


def _cut(connection: socket.socket) -> None:
    """End a connection; its thread then cleans up."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = TIMEOUT_S  # of every read and write
    protocol_version = "HTTP/1.0"  # one request per connection
    server_version, sys_version = "vedette", ""

    def do_GET(self) -> None:
        if not host_allowed(self.headers.get_all("Host") or [], allow_remote=self.server.allow_remote):
            self._say(HTTPStatus.MISDIRECTED_REQUEST, "ask for localhost or for the address of this machine")
        elif _from_elsewhere(self.headers.get("Sec-Fetch-Site"), self.headers.get("Sec-Fetch-Mode")):
            self._say(HTTPStatus.FORBIDDEN, "requests of other sites are refused")
        elif (route := self.server.routes.get(self.path.partition("?")[0])) is None:
            self._say(HTTPStatus.NOT_FOUND, "there is: " + " ".join(sorted(self.server.routes)))
        else:
            answer = route()
            if answer.body is None:
                self._say(HTTPStatus.SERVICE_UNAVAILABLE, "the gateway is starting")
            else:
                self._answer(HTTPStatus.OK, answer.content_type, answer.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class says of requests that it cannot read, or whose method is not GET."""
        status = HTTPStatus(code)
        if status == HTTPStatus.NOT_IMPLEMENTED:
            status, message = HTTPStatus.METHOD_NOT_ALLOWED, "only GET is answered"
        self._say(status, message or status.phrase)

    def log_message(self, format: str, *args: object) -> None:
        """Visits are not logged: they would fill the log of a gateway that is watched."""

    def _say(self, status: HTTPStatus, text: str) -> None:
        self._answer(status, "text/plain; charset=utf-8", f"{text}\n".encode())

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response_only(status)
        for name, value in {**_HEADERS, "Content-Type": content_type, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET")
        self.end_headers()
        self.wfile.write(body)


def host_allowed(hosts: list[str], *, allow_remote: bool) -> bool:
    """Whether a request's Host headers name this machine by its address or as ``localhost``, and by nothing else.

    >>> host_allowed(["localhost:8480"], allow_remote=False), host_allowed(["evil.example"], allow_remote=True)
    (True, False)
    """
    if len(hosts) != 1:
        return False
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]]+))(?::\d{1,5})?", hosts[0].strip())
    if found is None:
        return False
    name = found[1] or found[2]
    if name.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return allow_remote or address.is_loopback


def _from_elsewhere(site: str | None, mode: str | None) -> bool:
    """Whether a browser says that another site's page asks; following a link to us is allowed."""
    return site in ("cross-site", "same-site") and mode != "navigate"
