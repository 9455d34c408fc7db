"""Samplers: each a generator of steps; `table` names them, `loop.sample` is the door."""

from nodes.diffusion.sampling.choice import SamplerChoice, chosen
from nodes.diffusion.sampling.loop import Run, sample, window
from nodes.diffusion.sampling.steps import Step
from nodes.diffusion.sampling.table import SAMPLERS

__all__ = ["SAMPLERS", "Run", "SamplerChoice", "Step", "chosen", "sample", "window"]
