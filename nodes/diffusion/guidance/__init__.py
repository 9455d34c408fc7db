"""Guidance: many conditions, positive and negative, and the rules of a model, to one denoiser."""

from nodes.diffusion.guidance.guiders import Guided, Guider, ReportingGuider, guider
from nodes.diffusion.guidance.pieces import with_lent_controls
from nodes.diffusion.guidance.recipes import (
    BasicGuidance,
    CfgGuidance,
    DualGuidance,
    Guidance,
    PerpNegGuidance,
)
from nodes.diffusion.guidance.rules import RULES

__all__ = (
    "RULES",
    "BasicGuidance",
    "CfgGuidance",
    "DualGuidance",
    "Guidance",
    "Guided",
    "Guider",
    "PerpNegGuidance",
    "ReportingGuider",
    "guider",
    "with_lent_controls",
)
