"""A site on this machine that gives files, for tests of what is brought from elsewhere."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 4096  # 1 MB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Site(ThreadingHTTPServer):
    """Gives CONTENT at every path that ends in .safetensors, in parts where they are asked for.

    `gate` holds back all but the first half; `asked` are the ranges that were asked for.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.gate = threading.Event()
        self.gate.set()
        self.asked: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Site

    def do_GET(self) -> None:
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", f"/{self.path.rpartition('/')[2]}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if self.path.startswith("/away/"):
            self.send_response(302)
            self.send_header("Location", f"https://{self.path.split('/')[2]}/model.safetensors")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if not self.path.endswith(".safetensors"):
            self.send_response(404)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {begin}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("Content-Length", str(len(CONTENT) - begin))
        self.end_headers()
        body, half = CONTENT[begin:], max(0, len(CONTENT) // 2 - begin)
        try:
            self.wfile.write(body[:half])
            self.wfile.flush()
            self.server.gate.wait(60)
            self.wfile.write(body[half:])
        except OSError:
            self.close_connection = True  # the other side went
        return None

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def giving() -> Iterator[Site]:
    """A site that answers; ended on leaving."""
    site = Site()
    thread = threading.Thread(target=site.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.gate.set()
        site.shutdown()
        site.server_close()
        thread.join()
