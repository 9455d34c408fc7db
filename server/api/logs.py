"""The log as clients see it: the last lines of the server, the worker and its packs; those who ask hear new ones at once."""

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import TypeAlias

from nodes.spec import Json
from server.api.listings import LogJson, LogLineJson

KEPT = 300  # lines
TOGETHER = 0.1  # seconds in which lines are told in one message
COLUMNS, ROWS = 120, 40  # of a terminal that shows it
WORKER = "weft.worker"  # the logger of what the worker and its packs print

MOST_LISTENERS = 256  # clients come back under new names; the oldest are forgotten

Tell: TypeAlias = Callable[[Collection[str], str, Mapping[str, Json]], None]


class LogBook(logging.Handler):
    """Keeps the last lines and tells new ones. Lines may come from any thread.

    Args:
        tell: hands a message (its type and data) to clients, by id.
    """

    def __init__(self, tell: Tell) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter("%(message)s"))
        self._tell = tell
        self._lines: deque[LogLineJson] = deque(maxlen=KEPT)
        self._news: list[LogLineJson] = []
        self._listeners: dict[str, None] = {}  # in the order in which they came
        self._loop: asyncio.AbstractEventLoop | None = None
        self._terminal = logging.StreamHandler(sys.stderr)
        self._terminal.setLevel(logging.WARNING)

    def open(self) -> None:
        """Begin to listen; called on the event loop."""
        self._loop = asyncio.get_running_loop()
        root = logging.getLogger()
        if not root.handlers:  # with a handler at the root, Python would no more print warnings by itself
            root.addHandler(self._terminal)
        root.addHandler(self)
        logging.getLogger(WORKER).setLevel(logging.INFO)

    def shut(self) -> None:
        """Listen no more."""
        self._loop = None
        for handler in (self, self._terminal):
            logging.getLogger().removeHandler(handler)

    def whole(self) -> LogJson:
        """All lines that are kept."""
        return {"entries": list(self._lines), "size": {"cols": COLUMNS, "rows": ROWS}}

    def text(self) -> str:
        """All lines that are kept, with their times."""
        return "".join(f"{line['t']} - {line['m']}" for line in list(self._lines))

    def subscribe(self, client: str, *, enabled: bool) -> None:
        """Let a client's websocket hear new lines, or no more."""
        self._listeners.pop(client, None)
        if enabled:
            self._listeners[client] = None
        if len(self._listeners) > MOST_LISTENERS:
            del self._listeners[next(iter(self._listeners))]

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line in."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        at = datetime.fromtimestamp(record.created, UTC).isoformat()
        line: LogLineJson = {"t": at, "m": self.format(record) + "\n"}
        try:
            loop.call_soon_threadsafe(self._take, line)
        except RuntimeError:  # it closes just now
            return

    def _take(self, line: LogLineJson) -> None:
        self._lines.append(line)
        if self._listeners:
            if not self._news and self._loop is not None:
                self._loop.call_later(TOGETHER, self._tell_news)
            self._news.append(line)

    def _tell_news(self) -> None:
        news, self._news = self._news[-KEPT:], []
        entries: list[Json] = [{"t": line["t"], "m": line["m"]} for line in news]
        self._tell(self._listeners, "logs", {"entries": entries})
