"""Pictures as latents beside a network: at the size of what is sampled."""

from torch import Tensor

from nodes.diffusion.latent_formats import LatentFormat
from nodes.diffusion.models.controls.company import Company
from nodes.diffusion.resize import resize


def latents_of(company: Company, image: Tensor, size: tuple[int, int], form: LatentFormat) -> Tensor:
    """A picture's latents as the VAE gives them, Float[batch channel height width].

    Args:
        image: Float[batch height width 3..4] in 0..1; scaled by area, cut to the aspect, where it has another size.
        size: height and width of the latents.

    Raises:
        DiffusionError: no VAE is connected.
    """
    height, width = size[0] * form.pixels, size[1] * form.pixels
    planes = image[..., :3].movedim(-1, 1)
    if planes.shape[-2:] != (height, width):
        planes = resize(planes, width, height, "area", "center")
    made = company.encoder().encode(planes.movedim(1, -1))
    return made[:, :, 0] if made.ndim > 4 else made
