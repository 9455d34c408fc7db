"""Noise as a value: random, none, or put into latents without sampling."""

from typing import Annotated

from nodes.builtin.kinds import LatentIn, LatentOut, ModelIn, NoiseIn, NoiseOut, SigmasIn
from nodes.builtin.models import models
from nodes.builtin.sampling.inputs import Seed
from nodes.diffusion.noise import NoNoise, SeededNoise
from nodes.diffusion.sampling.loop import noisy
from nodes.spec import Boolean, Combo, Context, Float, Int, node


@node("RandomNoise", category="sampling/custom_sampling/noise")
def random_noise(ctx: Context, noise_seed: Seed = 0) -> NoiseOut:
    """Noise from a seed; one draw for the whole batch."""
    return SeededNoise(noise_seed)


@node("DisableNoise", category="sampling/custom_sampling/noise")
def disable_noise(ctx: Context) -> NoiseOut:
    """No noise: for latents that are noisy already."""
    return NoNoise()


@node(
    "WeftSeededNoise",
    name="Seeded Noise",
    category="sampling/custom_sampling/noise",
    search_aliases=("variation", "batch seeds"),
)
def seeded_noise(
    ctx: Context,
    *,
    noise_seed: Seed = 0,
    noise_device: Annotated[str, Combo(("cpu", "gpu"), bare=False)] = "cpu",
    seed_per_image: Annotated[bool, Boolean()] = True,
    variation_seed: Annotated[int, Int(minimum=0, maximum=2**64 - 1)] = 0,
    variation_strength: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)] = 0.0,
) -> NoiseOut:
    """Noise whose images can be made again alone, and varied a little.

    With a seed per image, image k of a batch is the one that the seed plus k gives by itself. The variation goes part
    of the way from the seed's noise to that of another seed. Noise drawn on a graphics card is other noise.
    """
    on_device = noise_device == "gpu"
    return SeededNoise(noise_seed, seed_per_image, variation_seed, variation_strength, on_device)


@node("AddNoise", category="_for_testing/custom_sampling/noise", experimental=True)
def add_noise(
    ctx: Context, model: ModelIn, noise: NoiseIn, sigmas: SigmasIn, latent_image: LatentIn
) -> LatentOut:
    """Put as much noise into latents as lies between the first and the last sigma."""
    if len(sigmas) == 0:
        return latent_image
    with models(ctx) as loaded:
        return latent_image.with_samples(noisy(loaded.network(model), latent_image, noise, sigmas))


NODES = (random_noise, disable_noise, seeded_noise, add_noise)
