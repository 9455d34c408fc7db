"""Sampling: whole samplers, and the parts to build one of: samplers with options, schedules, noise."""

from nodes.builtin.sampling import custom, ksampler, model_sampling, noise, samplers, schedulers, sigmas

NODES = (
    *ksampler.NODES,
    *custom.NODES,
    *noise.NODES,
    *model_sampling.NODES,
    *samplers.NODES,
    *schedulers.NODES,
    *sigmas.NODES,
)
