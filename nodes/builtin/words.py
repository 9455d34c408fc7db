"""Text: joined, cut, compared, searched, and changed one line or a whole list at a time."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from nodes.spec import ANY, Boolean, Combo, Context, Int, NodeError, Out, Result, Socket, String, node

STRINGS = "utils/string"
TEXTS = "dataset/text"
Words = Annotated[str, String(multiline=True)]
Line = Annotated[str, String(extra={"multiline": False})]
WordsOut = Annotated[str, Out("STRING")]
Texts = Annotated[
    str | Sequence[str], String(extra={"multiline": False})
]  # one, or a list as nodes here give it
TextsOut = Annotated[list[str], Out("STRING", "texts")]  # one value that is a list: the field's way
Yes = Annotated[bool, Out("BOOLEAN")]
Flag = Annotated[bool, Boolean()]
CASES: Mapping[str, Callable[[str], str]] = {
    "UPPERCASE": str.upper,
    "lowercase": str.lower,
    "Capitalize": str.capitalize,
    "Title Case": str.title,
}
TRIMS: Mapping[str, Callable[[str], str]] = {"Both": str.strip, "Left": str.lstrip, "Right": str.rstrip}


def _menu(*values: str) -> Combo:
    return Combo(values, bare=False, extra={"multiselect": False})


# --- one text ------------------------------------------------------------------------------------------------------


@node("StringConcatenate", name="Concatenate", category=STRINGS)
def string_concatenate(ctx: Context, string_a: Words, string_b: Words, delimiter: Line = "") -> WordsOut:
    """One text after the other, with a delimiter between them."""
    return string_a + delimiter + string_b


@node("StringSubstring", name="Substring", category=STRINGS)
def string_substring(
    ctx: Context, string: Words, start: Annotated[int, Int()], end: Annotated[int, Int()]
) -> WordsOut:
    """The characters from `start` up to `end`, counted from 0; negative numbers count from the end."""
    return string[start:end]


@node("StringLength", name="Length", category=STRINGS)
def string_length(ctx: Context, string: Words) -> Annotated[int, Out("INT", "length")]:
    """How many characters the text has."""
    return len(string)


@node("CaseConverter", name="Case Converter", category=STRINGS)
def case_converter(ctx: Context, string: Words, mode: Annotated[str, _menu(*CASES)]) -> WordsOut:
    """The text in capitals, in small letters, with its first letter large, or that of every word."""
    return CASES[mode](string)


@node("StringTrim", name="Trim", category=STRINGS)
def string_trim(ctx: Context, string: Words, mode: Annotated[str, _menu(*TRIMS)]) -> WordsOut:
    """The text without spaces and line ends around it."""
    return TRIMS[mode](string)


@node("StringReplace", name="Replace", category=STRINGS)
def string_replace(ctx: Context, string: Words, find: Words, replace: Words) -> WordsOut:
    """Every place of one text in another, replaced."""
    return string.replace(find, replace)


@node("StringContains", name="Contains", category=STRINGS)
def string_contains(
    ctx: Context, string: Words, substring: Words, case_sensitive: Flag = True
) -> Annotated[bool, Out("BOOLEAN", "contains")]:
    """Whether a text holds another."""
    string, substring = _for_comparing(case_sensitive, string, substring)
    return substring in string


@node("StringCompare", name="Compare", category=STRINGS)
def string_compare(
    ctx: Context,
    string_a: Words,
    string_b: Words,
    mode: Annotated[str, _menu("Starts With", "Ends With", "Equal")],
    case_sensitive: Flag = True,
) -> Yes:
    """Whether the first text is the second, begins with it, or ends with it."""
    one, other = _for_comparing(case_sensitive, string_a, string_b)
    return {"Equal": one == other, "Starts With": one.startswith(other), "Ends With": one.endswith(other)}[
        mode
    ]


def _for_comparing(case_sensitive: bool, one: str, other: str) -> tuple[str, str]:
    return (one, other) if case_sensitive else (one.lower(), other.lower())


# --- patterns ------------------------------------------------------------------------------------------------------


@node("RegexMatch", name="Regex Match", category=STRINGS)
def regex_match(
    ctx: Context,
    string: Words,
    regex_pattern: Words,
    case_insensitive: Flag = True,
    multiline: Flag = False,
    dotall: Flag = False,
) -> Annotated[bool, Out("BOOLEAN", "matches")]:
    """Whether the pattern (a Python regular expression) is found in the text."""
    pattern = _pattern(ctx, regex_pattern, _flags(case_insensitive, multiline, dotall))
    return pattern is not None and pattern.search(string) is not None


@node("RegexExtract", name="Regex Extract", category=STRINGS)
def regex_extract(
    ctx: Context,
    string: Words,
    regex_pattern: Words,
    mode: Annotated[str, _menu("First Match", "All Matches", "First Group", "All Groups")],
    case_insensitive: Flag = True,
    multiline: Flag = False,
    dotall: Flag = False,
    group_index: Annotated[int, Int(minimum=0, maximum=100)] = 1,
) -> WordsOut:
    """What the pattern finds: the first or all places, whole or one group of them, a line for each."""
    pattern = _pattern(ctx, regex_pattern, _flags(case_insensitive, multiline, dotall))
    if pattern is None:
        return ""
    matches = list(pattern.finditer(string))
    match mode:
        case "First Match":
            return matches[0].group(0) if matches else ""
        case "All Matches":
            # A pattern with groups gives the first of them, as `re.findall` lists it.
            return "\n".join(found.group(1 if pattern.groups else 0) or "" for found in matches)
        case "First Group":
            there = bool(matches) and group_index <= pattern.groups
            return (matches[0].group(group_index) or "") if there else ""
        case _:
            there = pattern.groups > 0 and group_index <= pattern.groups
            return "\n".join(found.group(group_index) or "" for found in matches) if there else ""


@node("RegexReplace", name="Regex Replace", category=STRINGS)
def regex_replace(
    ctx: Context,
    *,
    string: Words,
    regex_pattern: Words,
    replace: Words,
    case_insensitive: Annotated[bool, Boolean(optional=True)] = True,
    multiline: Annotated[bool, Boolean(optional=True)] = False,
    dotall: Annotated[bool, Boolean(optional=True)] = False,
    count: Annotated[int, Int(minimum=0, maximum=100, optional=True)] = 0,
) -> WordsOut:
    r"""What the pattern finds, replaced; `\1` is its first group. `count` places at most, 0 for all."""
    try:
        return re.sub(
            regex_pattern, replace, string, count=count, flags=_flags(case_insensitive, multiline, dotall)
        )
    except (re.error, IndexError) as error:
        raise NodeError(
            f"The pattern {regex_pattern!r} or its replacement cannot be read: {error}.",
            "Correct regex_pattern or replace.",
        ) from error


def _flags(case_insensitive: bool, multiline: bool, dotall: bool) -> re.RegexFlag:
    flags = re.RegexFlag(0)
    for wanted, flag in ((case_insensitive, re.IGNORECASE), (multiline, re.MULTILINE), (dotall, re.DOTALL)):
        flags |= flag if wanted else re.RegexFlag(0)
    return flags


def _pattern(ctx: Context, text: str, flags: re.RegexFlag) -> re.Pattern[str] | None:
    """The pattern; None, and a line on the node, if it is none: then nothing is found."""
    try:
        return re.compile(text, flags)
    except re.error as error:
        ctx.say(f"The pattern {text!r} cannot be read ({error}), so it finds nothing.")
        return None


# --- texts of a list -----------------------------------------------------------------------------------------------


@node("TextToUppercase", name="Text to Uppercase", category=TEXTS, experimental=True)
def text_to_uppercase(ctx: Context, texts: Texts) -> TextsOut:
    """Each text in capitals."""
    return _each(texts, str.upper)


@node("TextToLowercase", name="Text to Lowercase", category=TEXTS, experimental=True)
def text_to_lowercase(ctx: Context, texts: Texts) -> TextsOut:
    """Each text in small letters."""
    return _each(texts, str.lower)


@node("TruncateText", name="Truncate Text", category=TEXTS, experimental=True)
def truncate_text(
    ctx: Context, texts: Texts, max_length: Annotated[int, Int(minimum=1, maximum=10000)] = 77
) -> TextsOut:
    """The first characters of each text."""
    return _each(texts, lambda text: text[:max_length])


@node("AddTextPrefix", name="Add Text Prefix", category=TEXTS, experimental=True)
def add_text_prefix(ctx: Context, texts: Texts, prefix: Line = "") -> TextsOut:
    """Something before each text."""
    return _each(texts, lambda text: prefix + text)


@node("AddTextSuffix", name="Add Text Suffix", category=TEXTS, experimental=True)
def add_text_suffix(ctx: Context, texts: Texts, suffix: Line = "") -> TextsOut:
    """Something after each text."""
    return _each(texts, lambda text: text + suffix)


@node("ReplaceText", name="Replace Text", category=TEXTS, experimental=True)
def replace_text(ctx: Context, texts: Texts, find: Line = "", replace: Line = "") -> TextsOut:
    """Every place of one text in each, replaced."""
    return _each(texts, lambda text: text.replace(find, replace))


@node("StripWhitespace", name="Strip Whitespace", category=TEXTS, experimental=True)
def strip_whitespace(ctx: Context, texts: Texts) -> TextsOut:
    """Each text without spaces and line ends around it."""
    return _each(texts, str.strip)


@node("MergeTextLists", name="Merge Text Lists", category=TEXTS, takes_lists=True, experimental=True)
def merge_text_lists(
    ctx: Context, texts: Annotated[Sequence[str], String(extra={"multiline": False})]
) -> Annotated[list[str], Out("STRING", "texts", is_list=True)]:
    """All texts of the lists that come in, as one list."""
    return list(texts)


def _each(texts: str | Sequence[str], change: Callable[[str], str]) -> list[str]:
    return [change(text) for text in ([texts] if isinstance(texts, str) else texts)]


# --- anything as text ----------------------------------------------------------------------------------------------


@node("PreviewAny", name="Preview as Text", category="utils", output=True)
def preview_any(ctx: Context, source: Annotated[object, Socket(ANY)]) -> Result:
    """Show what comes in as text."""
    return Result(ui={"text": [_shown(source)]})


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, int | float):
        return str(value)
    try:
        return json.dumps(value, indent=4, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return str(value)


NODES = (
    string_concatenate,
    string_substring,
    string_length,
    case_converter,
    string_trim,
    string_replace,
    string_contains,
    string_compare,
    regex_match,
    regex_extract,
    regex_replace,
    text_to_uppercase,
    text_to_lowercase,
    truncate_text,
    add_text_prefix,
    add_text_suffix,
    replace_text,
    strip_whitespace,
    merge_text_lists,
    preview_any,
)
