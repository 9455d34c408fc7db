"""`execution`: the queue as packs see it, and names that they wrap. Nothing runs here."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

map_node_over_list = None  # packs only ask whether it is there


def _nobody(_about: str, _ids: Sequence[str]) -> Any:
    """There is no server to ask."""


def full_type_name(klass: Any) -> str:
    module = klass.__module__
    return klass.__qualname__ if module == "builtins" else f"{module}.{klass.__qualname__}"


class PromptQueue:
    """The server's queue and history. Looking costs a question to the server, which is in another process.

    Args:
        wonder: asks the server, see `Packs`.
    """

    def __init__(self, wonder: Callable[[str, Sequence[str]], Any] = _nobody) -> None:
        self._wonder = wonder
        self.mutex = threading.RLock()

    def _standing(self) -> dict[str, Any]:
        return self._wonder("queue", ()) or {"running": [], "pending": [], "remaining": 0}

    def get_current_queue(self) -> tuple[list[Any], list[Any]]:
        standing = self._standing()
        return [tuple(item) for item in standing["running"]], [tuple(item) for item in standing["pending"]]

    get_current_queue_volatile = get_current_queue

    def get_tasks_remaining(self) -> int:
        return self._standing()["remaining"]

    @property
    def queue(self) -> list[Any]:
        return self.get_current_queue()[1]

    @property
    def currently_running(self) -> dict[int, Any]:
        return dict(enumerate(self.get_current_queue()[0]))

    @property
    def history(self) -> dict[str, Any]:
        return self.get_history()

    def get_history(self, prompt_id=None, max_items=None, offset=-1, map_function=None) -> dict[str, Any]:
        found = self._wonder("history", () if prompt_id is None else (prompt_id,)) or {}
        entries = list(found.items())
        if max_items is not None:
            first = len(entries) - max_items if offset < 0 else offset
            entries = entries[max(first, 0) :][:max_items]
        return {id: map_function(entry) if map_function else entry for id, entry in entries}

    def wipe_queue(self) -> None:
        self._wonder("clear", ())

    def delete_queue_item(self, function: Callable[[Any], Any]) -> bool:
        for item in self.get_current_queue()[1]:
            if function(item):
                self._wonder("delete", (item[1],))
                return True
        return False

    def put(self, item: Any) -> None:
        raise NotImplementedError("Weft judges what is queued: POST the prompt to /prompt instead.")

    def set_flag(self, name: str, data: Any) -> None:
        raise NotImplementedError(f"Weft's worker has no flag {name!r}: POST to /free instead.")


class PromptExecutor:
    """Packs wrap its methods; Weft's own executor is elsewhere and calls none of them."""

    def __init__(self, server: Any, cache_type=False, cache_args=None) -> None:
        self.server = server
        self.success = True
        self.history_result: dict[str, Any] = {}

    def execute(self, prompt, prompt_id, extra_data=None, execute_outputs=()) -> None:
        raise NotImplementedError("Weft runs prompts that are posted to /prompt.")

    def handle_execution_error(self, prompt_id, prompt, current_outputs, executed, error, ex) -> None:
        """Never called."""


async def validate_prompt(prompt_id, prompt, partial_execution_list=None):
    raise NotImplementedError("Weft judges prompts that are posted to /prompt.")
