"""`comfy.ldm.flux.layers`: times as vectors."""

from nodes.compat.names.comfy.ldm.modules.diffusionmodules import util


def timestep_embedding(t, dim, max_period=10000, time_factor=1000.0):
    return util.timestep_embedding(t * time_factor, dim, max_period).to(t.dtype)
