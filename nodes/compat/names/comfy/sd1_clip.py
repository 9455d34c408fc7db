"""`comfy.sd1_clip`: weights in prompts, and the classes of text encoders that packs ask for."""

from nodes.compat.clip_stage import SD1ClipModel, SD1Tokenizer, SDClipModel, SDTokenizer
from nodes.diffusion.text.weighting import CLOSE, OPEN, weighted

__all__ = ["SD1ClipModel", "SD1Tokenizer", "SDClipModel", "SDTokenizer"]


def escape_important(text):
    return text.replace("\\)", OPEN).replace("\\(", CLOSE)


def unescape_important(text):
    return text.replace(OPEN, ")").replace(CLOSE, "(")


def token_weights(string, current_weight):
    """Pieces of a prompt with how much each counts: parentheses resolved, escaped ones left as they are."""
    return [(segment.text, segment.weight * current_weight) for segment in weighted(string)]
