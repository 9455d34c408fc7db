"""Pictures made larger by networks that were trained for it."""

from typing import Annotated

from nodes.builtin.kinds import ImageIn, ImageOut
from nodes.builtin.loaders import content_of
from nodes.builtin.models import models, reference
from nodes.diffusion.enlarging import UpscaleModel, enlarged
from nodes.diffusion.models.detect import Part
from nodes.diffusion.models.upscaler import load_upscaler
from nodes.spec import Combo, Context, Out, Socket, node

FOLDER = "upscale_models"


@node(
    "UpscaleModelLoader",
    name="Load Upscale Model",
    category="loaders",
    change_token=content_of(FOLDER, "model_name"),
)
def upscale_model_loader(
    ctx: Context, model_name: Annotated[str, Combo(folder=FOLDER, bare=False)]
) -> Annotated[UpscaleModel, Out("UPSCALE_MODEL")]:
    """A network that makes pictures larger: ESRGAN and its kin; with the package `spandrel` many more."""
    return UpscaleModel(reference(ctx, FOLDER, model_name))


@node("ImageUpscaleWithModel", name="Upscale Image (using Model)", category="image/upscaling")
def image_upscale_with_model(
    ctx: Context, upscale_model: Annotated[UpscaleModel, Socket("UPSCALE_MODEL")], image: ImageIn
) -> ImageOut:
    """Pictures larger by the model's factor, with detail that it makes up. Large ones are done tile by tile."""
    with models(ctx) as loaded:
        network = loaded.beside(Part.UPSCALER, upscale_model.checkpoint, load_upscaler)
        return enlarged(network, image, ctx.say, ctx.progress)


NODES = (upscale_model_loader, image_upscale_with_model)
