"""What packs in the worker may ask the server: how the queue and the history stand; and to forget waiting jobs."""

from nodes.spec import Json
from server.api import answers, wire
from server.jobs.history import History
from server.jobs.queue import Queue
from server.worker.messages import Wonder


class Desk:
    """Answers in the shapes that the routes have."""

    def __init__(self, queue: Queue, history: History) -> None:
        self._queue = queue
        self._history = history

    async def answer(self, wonder: Wonder) -> Json:
        """What is asked for, as JSON; None for what nobody here knows."""
        match wonder.about:
            case "queue":
                queue = self._queue
                found = {
                    "running": [answers.queue_item(job) for job in queue.at_work],
                    "pending": [answers.queue_item(job) for job in queue.waiting],
                    "remaining": queue.remaining,
                }
                return wire.loads(wire.dumps(found).encode())
            case "history":
                jobs = [await self._history.get(id) for id in wonder.ids] or await self._history.last()
                found = answers.history_json([job for job in jobs if job is not None])
                return wire.loads(wire.dumps(found).encode())
            case "clear":
                await self._queue.clear()
                return None
            case "delete":
                await self._queue.delete(wonder.ids)
                return None
            case _:
                return None
