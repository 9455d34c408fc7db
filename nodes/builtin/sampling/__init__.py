"""Sampling: whole samplers, and the parts to build one of: samplers with options, schedules, noise."""

from nodes.builtin.sampling import custom, ksampler, noise, samplers, schedulers, sigmas

NODES = (
    *ksampler.NODES,
    *custom.NODES,
    *noise.NODES,
    *samplers.NODES,
    *schedulers.NODES,
    *sigmas.NODES,
)
