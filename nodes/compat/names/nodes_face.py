"""What packs expect of a module called `nodes`."""

from typing import Any

from nodes.compat import current

__all__ = [
    "EXTENSION_WEB_DIRS",
    "MAX_RESOLUTION",
    "NODE_CLASS_MAPPINGS",
    "NODE_DISPLAY_NAME_MAPPINGS",
    "before_node_execution",
    "common_ksampler",
    "interrupt_processing",
]

MAX_RESOLUTION = 16384
NODE_CLASS_MAPPINGS: dict[str, Any] = {}
NODE_DISPLAY_NAME_MAPPINGS: dict[str, str] = {}
EXTENSION_WEB_DIRS: dict[str, str] = {}


def before_node_execution():
    """A place where Stop is answered."""
    current.check_stop()


def interrupt_processing(value=True):
    """Ask for Stop of what runs."""
    current.ask_stop(value)


def common_ksampler(
    model,
    seed,
    steps,
    cfg,
    sampler_name,
    scheduler,
    positive,
    negative,
    latent,
    denoise=1.0,
    disable_noise=False,
    start_step=None,
    last_step=None,
    force_full_denoise=False,
):
    """Latents in, latents out, by the built-in sampler nodes."""
    advanced = NODE_CLASS_MAPPINGS["KSamplerAdvanced"]()
    if not disable_noise and start_step is None and last_step is None:
        plain = NODE_CLASS_MAPPINGS["KSampler"]()
        return plain.sample(
            model, seed, steps, cfg, sampler_name, scheduler, positive, negative, latent, denoise=denoise
        )
    total = int(steps / denoise) if 0 < denoise < 1 else steps
    skipped = total - steps if denoise < 1 else 0
    return advanced.sample(
        model,
        "disable" if disable_noise else "enable",
        seed,
        total,
        cfg,
        sampler_name,
        scheduler,
        positive,
        negative,
        latent,
        skipped + (start_step or 0),
        10000 if last_step is None else skipped + last_step,
        "disable" if force_full_denoise else "enable",
    )
