"""JSON that is text as long as nobody asks for the value, so that what passes through is not read and written again."""

import json
from collections.abc import Mapping, Sequence
from typing import cast

from nodes.spec import Json


class Written:
    """A JSON object and its text: each is made of the other when it is first asked for. It crosses as text.

    Args:
        value: it must not change any more.
        text: empty if it is not there yet.
    """

    __slots__ = ("_text", "_value")

    def __init__(self, value: Mapping[str, Json] | None, text: str = "") -> None:
        self._value: Mapping[str, Json] | None = value
        self._text = text

    @property
    def value(self) -> Mapping[str, Json]:
        """The object."""
        if self._value is None:
            self._value = cast("Mapping[str, Json]", json.loads(self._text or "{}"))
        return self._value

    @property
    def text(self) -> str:
        """Its text."""
        if not self._text:
            self._text = dump(self._value)
        return self._text

    def __reduce__(self) -> tuple[type["Written"], tuple[None, str]]:
        return Written, (None, self.text)


def dump(value: object) -> str:
    """JSON text, as short as it gets. What is not JSON at all is written as its text."""
    return json.dumps(value, default=_plain, separators=(",", ":"))


def _plain(value: object) -> object:
    """Mappings and sequences of any kind are JSON."""
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, object]", value))
    if isinstance(value, Sequence | frozenset | set):
        return list(cast("Sequence[object]", value))
    return str(value)
