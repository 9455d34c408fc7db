"""`comfy_extras.nodes_align_your_steps`: levels of noise found by search (Sabour et al. 2024, arXiv:2404.14507)."""

from nodes.diffusion.more_schedules import align_your_steps_levels, drawn_to

NOISE_LEVELS = align_your_steps_levels()


def loglinear_interp(t_steps, num_steps):
    """Falling sigmas as an array of `num_steps` of them, evenly in ln sigma."""
    return drawn_to(t_steps, num_steps)
