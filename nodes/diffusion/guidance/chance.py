"""Chance for rules that draw: the same in each run."""

import torch

from nodes.diffusion.guidance.rule import Evaluation


def generator(at: Evaluation) -> torch.Generator:
    """The generator of this rule in this run."""
    if "chance" not in at.kept:
        at.kept["chance"] = torch.Generator().manual_seed(0)
    return at.kept["chance"]
