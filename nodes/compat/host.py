"""What packs hang on their host: handlers that see every prompt before it is judged. Run here, without trust.

A handler may raise, hang, or give nothing sensible: it is reported under its pack's name, and the prompt goes on without
what it did. One that hangs is not asked again.
"""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, cast

from nodes.compat.importing import PackHangs, within
from nodes.compat.names.server_face import PromptServer
from nodes.spec import Json

HANDLER_PATIENCE = 5.0  # seconds

log = logging.getLogger(__name__)


class PromptHandlers:
    """The handlers that packs added, in the order in which they did.

    Args:
        owner: the name of the pack that a function belongs to.
        patience: seconds that a handler may take.
    """

    def __init__(self, owner: Callable[[Callable[..., Any]], str], patience: float) -> None:
        self._owner = owner
        self._patience = patience

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return bool(PromptServer.instance.on_prompt_handlers)

    def change(self, body: Mapping[str, Json]) -> Mapping[str, Json]:
        """What is left of a posted prompt when every handler has seen it. Each works on a copy of its own."""
        for handler in tuple(PromptServer.instance.on_prompt_handlers):
            given = json.loads(json.dumps(body))
            try:
                body = _sensible(within(self._patience, lambda f=handler, b=given: f(b)))
            except PackHangs as hangs:
                PromptServer.instance.on_prompt_handlers.remove(handler)
                where = "\n".join(hangs.where)
                log.warning(
                    "A prompt handler of %s did not answer within %g seconds. It is not asked again.\n%s",
                    self._owner(handler),
                    self._patience,
                    where,
                )
            except BaseException:
                log.warning(
                    "A prompt handler of %s failed; the prompt goes on without it.",
                    self._owner(handler),
                    exc_info=True,
                )
        return body


def _sensible(returned: object) -> Mapping[str, Json]:
    """What a handler returned, if it can be a prompt's body.

    Raises:
        TypeError, ValueError: it cannot.
    """
    if not isinstance(returned, dict):
        raise TypeError(
            f"It returned {type(returned).__name__}; it must return the dict that it got, changed or not."
        )
    # NaN passes: clients post nodes with the change token that a host of the field gave them back.
    return cast("Mapping[str, Json]", json.loads(json.dumps(returned)))
