"""`comfy.sampler_helpers`: conditioning as samplers of the field take it."""

import uuid

from nodes.compat.names.comfy import utils


def prepare_mask(noise_mask, shape, device):
    """A mask of pixels at the shape of latents [batch channel *sides]."""
    return utils.reshape_mask(noise_mask, shape).to(device)


def convert_cond(cond):
    """Each condition as a dict of its own: its text under `cross_attn`, and a name that nothing else has."""
    made = []
    for context, options in cond:
        entry = dict(options)
        if context is not None:
            entry["cross_attn"] = context
        entry["model_conds"] = dict(entry.get("model_conds", {}))
        entry["uuid"] = uuid.uuid4()
        made.append(entry)
    return made
