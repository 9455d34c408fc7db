"""`comfy.text_encoders.sd3_clip`: classes of text encoders of Stable Diffusion 3, that packs ask for."""

from nodes.compat.clip_stage import SD1Tokenizer as SD3Tokenizer
from nodes.compat.clip_stage import SD3ClipModel, T5XXLModel

__all__ = ["SD3ClipModel", "SD3Tokenizer", "T5XXLModel"]
