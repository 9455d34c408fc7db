"""Guiders and samplers of ours as objects of the classes that packs know, as `comfy.samplers` has them now."""

import sys
from collections.abc import Callable
from typing import Any

from torch import Tensor

from nodes.compat.surgery.estimates import lone
from nodes.compat.surgery.rows import row_function
from nodes.diffusion.sampling import SamplerChoice
from nodes.diffusion.sampling.loop import named


def host() -> Any:
    """`comfy.samplers`, as it is now."""
    return sys.modules["comfy.samplers"]


def guider_over(patcher: Any, make: Callable[[], Any]) -> Any:
    """A guider in the field's form.

    Args:
        make: our own one, when a run begins.
    """

    class Over(host().CFGGuider):
        """Asks ours."""

        ours: Any = None

        def inner_sample(self, noise: Tensor, latent_image: Tensor, *rest: Any, **more: Any) -> Tensor:
            self.ours = make()
            mask, seed = rest[3], rest[6]
            blank = not bool(latent_image.any())
            scaled = latent_image if blank else self.inner_model.process_latent_in(latent_image)
            self.ours.start(seed or 0, noise.shape, scaled, mask)
            return super().inner_sample(noise, latent_image, *rest, **more)

        def predict_noise(
            self, x: Tensor, timestep: Tensor, model_options: Any = None, seed: Any = None
        ) -> Tensor:
            del model_options, seed
            return self.ours(x, lone(timestep))

        def both(self, x: Tensor, timestep: Tensor) -> tuple[Tensor, Tensor]:
            return self.ours.both(x, lone(timestep))

    return Over(patcher)


def of_choice(choice: SamplerChoice) -> Any:
    """A sampler in the field's form."""
    random = {"random": True} if named(choice.name).redraws_start else {}
    made = host().KSAMPLER(row_function(choice.name), dict(choice.options), random)
    made.weft_choice = choice, dict(choice.options)
    return made
