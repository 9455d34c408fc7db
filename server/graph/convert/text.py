"""Texts that are resolved before they are sent: comments, `{a|b}` choices, `%date%` and `%Node.widget%` in names."""

import random
import re
from collections.abc import Mapping
from datetime import datetime

from nodes.spec import NodeSpec
from server.graph.convert.widgets import widget_values
from server.graph.convert.workflow import Sheet

COMMENT = re.compile(r"/\*[\s\S]*?\*/|//.*")
PLACE = re.compile(r"%([^%\s][^%]*)%")
DATE_PARTS = re.compile(r"yyyy|yy|MM|M|dd|d|hh|h|mm|m|ss|s")
UNSAFE = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')


def strip_comments(text: str) -> str:
    """Without `// ...` and `/* ... */`."""
    return COMMENT.sub("", text)


def dynamic(text: str, chance: random.Random) -> str:
    """Each `{a|b|c}` (nested too) becomes one of its parts; a backslash keeps `{`, `}` and `|` as they are."""
    resolved, _ = _read(text, 0, chance, inside=False)
    return resolved


def _read(text: str, start: int, chance: random.Random, *, inside: bool) -> tuple[str, int]:
    options = [""]
    at = start
    while at < len(text):
        char = text[at]
        if char == "\\" and text[at + 1 : at + 2] in ("{", "}", "|"):
            options[-1] += text[at + 1]
            at += 2
        elif char == "{":
            chosen, at = _read(text, at + 1, chance, inside=True)
            options[-1] += chosen
        elif char == "}" and inside:
            return chance.choice(options), at + 1
        elif char == "|" and inside:
            options.append("")
            at += 1
        else:
            options[-1] += char
            at += 1
    return (("{" if inside else "") + "|".join(options)), at


class Namer:
    """Fills the places in a file name that the editor knows; the server fills the rest when it saves."""

    def __init__(self, sheet: Sheet, specs: Mapping[str, NodeSpec], now: datetime | None = None) -> None:
        self._sheet = sheet
        self._specs = specs
        self._now = now or datetime.now()

    def filled(self, text: str) -> str:
        """With `%date:yyyy-MM-dd%` and `%Node.widget%` replaced; unknown places stay."""
        return PLACE.sub(lambda match: self._place(match.group(1), match.group(0)), text)

    def _place(self, inner: str, whole: str) -> str:
        if inner == "date" or inner.startswith("date:"):
            return self._date(inner.partition(":")[2] or "yyyyMMddhhmmss")
        node, dot, widget = inner.partition(".")
        if not dot:
            return whole
        for saved in self._sheet.nodes.values():
            spec = self._specs.get(saved.type)
            if spec and node in (saved.properties.get("Node name for S&R"), saved.title):
                value = widget_values(saved, spec).get(widget)
                if value is not None:
                    return UNSAFE.sub("_", str(value))
        return whole

    def _date(self, pattern: str) -> str:
        now = self._now
        parts = {
            "yyyy": f"{now.year:04}",
            "yy": f"{now.year % 100:02}",
            "MM": f"{now.month:02}",
            "M": str(now.month),
            "dd": f"{now.day:02}",
            "d": str(now.day),
            "hh": f"{now.hour:02}",
            "h": str(now.hour),
            "mm": f"{now.minute:02}",
            "m": str(now.minute),
            "ss": f"{now.second:02}",
            "s": str(now.second),
        }
        return DATE_PARTS.sub(lambda match: parts[match.group(0)], pattern)
