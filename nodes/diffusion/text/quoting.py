"""What a prompt has in quotes: letters that a picture shall show, for encoders that read letters."""

import re

DOUBLE = re.compile(r"\"(.*?)\"|“(.*?)”")
EVERY = tuple(re.compile(one) for one in (r"'(.*?)'", r"\"(.*?)\"", r"\u2018(.*?)\u2019", r"“(.*?)”"))


def quotes(prompt: str, *, singly: bool) -> str:
    """What a prompt has in quotes, as ByT5 was trained to read it; empty if nothing is.

    Args:
        singly: single quotes count too, and what is there twice is said twice.
    """
    if singly:
        found = [text for pattern in EVERY for text in pattern.findall(prompt)]
    else:
        found = list(dict.fromkeys(one or other for one, other in DOUBLE.findall(prompt)))
    return ". ".join(f'Text "{text}"' for text in found) + ". " if found else ""
