"""`comfy.sd1_clip`: weights in prompts."""

from nodes.diffusion.text.weighting import CLOSE, OPEN, weighted


def escape_important(text):
    return text.replace("\\)", OPEN).replace("\\(", CLOSE)


def unescape_important(text):
    return text.replace(OPEN, ")").replace(CLOSE, "(")


def token_weights(string, current_weight):
    """Pieces of a prompt with how much each counts: parentheses resolved, escaped ones left as they are."""
    return [(segment.text, segment.weight * current_weight) for segment in weighted(string)]
