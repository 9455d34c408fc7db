"""Seeded mutations: of JSON by its structure, of names, of bytes. The same seed makes the same ones."""

import copy
import json
from collections.abc import Sequence
from random import Random
from typing import Any

# What is put into the text of JSON in place of these words: it has no value of Python's, or is no JSON at all.
RAW = {
    "@digits@": b"9" * 5000,
    "@huge@": b"1e999",
    "@nan@": b"NaN",
    "@surrogate@": b'"\\ud800"',
    "@bytes@": b'"\xff\xfe\x80"',
    "@deep@": b"[" * 3000 + b"]" * 3000,
    "@abyss@": b'{"a":' * 100_000,
    "@control@": b'"\x01\x02"',
    "@nothing@": b"",
    "@words@": b"undefined",
}
NUMBERS = (0, -1, 1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**30, 0.5, -0.0, 1e308, 5e-324)
WORDS = (
    "", " ", "\x00", "a\x00b", "x" * 10_000, "é" * 300, "\u202egnp.exe", "🙂", "null", "0", "-1", "True", "{}",
    "[]", "%s%n", "$HOME", "a,b;c", "\r\nX: y", "<script>", "'; drop table jobs; --",
)  # fmt: skip
LINKS = (
    ["a", 0], ["b", 0], ["nobody", 0], ["a", -1], ["a", 99], ["a", 2**70], ["a", "0"], ["a", 0.0], ["a", True],
    ["a"], ["a", 0, 0], [1, 0], [None, None],
)  # fmt: skip
DEEPEST = 30  # levels at which values are still changed
NESTED = (
    {},
    [],
    [[]],
    {"__value__": None},
    {"__value__": {"held": "x"}},
    {"__type__": "x"},
    {"": ""},
    {"a": {"a": {"a": []}}},
)


class Mutator:
    """Makes mutations.

    Args:
        seed: whoever has it can make them again.
        outside: an absolute path that nothing may be written under.
    """

    def __init__(self, seed: int, outside: str) -> None:
        self.random = Random(seed)
        self.names = tricks(outside)

    def json(self, value: object) -> bytes:
        """The text of a value with a few mutations: most of its structure, some of its bytes."""
        changed: Any = copy.deepcopy(value)
        for _ in range(self.random.choice((1, 1, 1, 2, 3, 8))):
            changed = self._changed(changed)
        text = json.dumps(changed).encode()
        for word, raw in RAW.items():
            text = text.replace(f'"{word}"'.encode(), raw)
        return self.bytes(text) if self.random.random() < 0.1 else text

    def bytes(self, data: bytes) -> bytes:
        """Flipped, cut, repeated, moved, or filled with noise."""
        changed = bytearray(data)
        for _ in range(self.random.choice((1, 1, 2, 5))):
            at = self.random.randrange(len(changed) + 1)
            length = self.random.choice((1, 1, 2, 4, 16, 256))
            match self.random.randrange(6):
                case 0 if at < len(changed):
                    changed[at] ^= 1 << self.random.randrange(8)
                case 1:
                    del changed[at : at + length]
                case 2:
                    changed[at:at] = changed[at : at + length]
                case 3:
                    changed[at : at + length] = self.random.randbytes(length)
                case 4:
                    del changed[at:]
                case _:
                    changed[at:at] = self.random.choice(
                        (b"\x00", b"\xff", b"\r\n", b"\r\n\r\n", b'"', b"--", b"{}", b"\xed\xa0\x80")
                    )
        return bytes(changed)

    def name(self, usual: str) -> str:
        """A name of a file, mostly a tricky one."""
        return usual if self.random.random() < 0.3 else self.random.choice(self.names)

    def odd(self) -> object:
        """A value that nobody expects."""
        found: object = self.random.choice(
            (None, True, False, *RAW, self.random.choice(NUMBERS), self.random.choice(WORDS), self.random.choice(self.names),
             self.random.choice(LINKS), self.random.choice(NESTED), self._nest(self.random.choice((3, 40, 120))))
        )  # fmt: skip
        return copy.deepcopy(found)

    def _nest(self, depth: int) -> object:
        inside: object = self.random.choice(WORDS)
        for _ in range(depth):
            inside = [inside] if self.random.random() < 0.5 else {"a": inside}
        return inside

    def _changed(self, value: Any) -> Any:
        places = list(_places(value))
        if not places:
            return self.odd()
        holder, key = self.random.choice(places)
        match self.random.randrange(8):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[str(self.random.choice((*WORDS, *self.names, key)))] = holder.pop(key)
            case 1:
                holder.insert(key, copy.deepcopy(holder[key]))
            case 2:
                other_holder, other = self.random.choice(places)
                holder[key] = copy.deepcopy(other_holder[other]) if _is_there(other_holder, other) else None
            case 3:
                holder[key] = [holder[key]]
            case 4:
                holder[key] = str(holder[key])
            case 5 if isinstance(holder[key], list):
                holder[key] = holder[key] * self.random.choice((2, 50))
            case _:
                holder[key] = self.odd()
        return value


def tricks(outside: str) -> Sequence[str]:
    """Names that try to leave their folder, or that some system takes for something else."""
    return (
        "../evil.png", "../../evil.png", "..\\..\\evil.png", "../../../../../../tmp/evil.png",
        f"{outside}/evil.png", f"{outside}\\evil.png", "C:\\evil.png", "C:evil.png", "\\\\host\\share\\evil.png",
        "//host/evil.png", "/evil.png", "\\evil.png", "~/evil.png", "file:///evil.png", "..", ".", "...", "", " ",
        " evil.png ", "evil.png.", "CON", "con.png", "NUL", "nul.txt", "COM1.png", "aux", "evil.png:stream",
        "evil.png::$DATA", "a/../../evil.png", "a/./b.png", "a//b.png", "%2e%2e%2fevil.png", "..%2fevil.png",
        "..%5cevil.png", "..\x00/evil.png", "evil\x00.png", "evil\n.png", "\u2025/evil.png",
        "\uff0e\uff0e/evil.png", "evil.png [output]", "../evil.png [temp]", "evil.png [nowhere]",
        "a" * 255 + ".png", "a/" * 200 + "b.png", "é" * 120 + ".png", "\udcff.png", "*?<>|.png", "-rf",
        "$(touch evil)", "`evil`", ".htaccess", "weft.db", "../user/weft.db", "../custom_nodes/evil.py",
    )  # fmt: skip


def _places(value: Any, depth: int = 0) -> Any:
    """Every place inside a value, down to some depth: what holds it, and its key or index."""
    if depth > DEEPEST:
        return
    entries: Any = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in list(entries):
        yield value, key
        yield from _places(inner, depth + 1)


def _is_there(holder: Any, key: Any) -> bool:
    return key in holder if isinstance(holder, dict) else key < len(holder)
