"""`comfy.sdxl_clip`: classes of text encoders of XL models and their like, that packs ask for."""

from nodes.compat.clip_stage import SD1Tokenizer as SDXLTokenizer
from nodes.compat.clip_stage import SDXLClipG, SDXLClipModel, SDXLRefinerClipModel, StableCascadeClipModel

__all__ = ["SDXLClipG", "SDXLClipModel", "SDXLRefinerClipModel", "SDXLTokenizer", "StableCascadeClipModel"]
