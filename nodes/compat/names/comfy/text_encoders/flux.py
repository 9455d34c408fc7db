"""`comfy.text_encoders.flux`: classes of text encoders of FLUX, that packs ask for."""

from nodes.compat.clip_stage import FluxClipModel
from nodes.compat.clip_stage import SD1Tokenizer as FluxTokenizer

__all__ = ["FluxClipModel", "FluxTokenizer"]
