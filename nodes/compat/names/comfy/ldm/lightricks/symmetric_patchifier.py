"""`comfy.ldm.lightricks.symmetric_patchifier`: places of latents as places of pixels."""


def latent_to_pixel_coords(latent_coords, scale_factors, causal_fix=False):
    """Places [batch axis ...] times what a latent spans along time, height and width; the first frame stands alone."""
    factors = latent_coords.new_tensor(scale_factors).view(1, -1, *(1,) * (latent_coords.ndim - 2))
    made = latent_coords * factors
    if causal_fix:
        made[:, 0] = (made[:, 0] + 1 - scale_factors[0]).clamp(min=0)
    return made
