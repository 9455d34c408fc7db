"""Pictures and their texts as a model is trained on them: encoded."""

from collections.abc import Sequence
from typing import Annotated

from nodes.builtin.encoding import encoded
from nodes.builtin.kinds import AnyClip, AnyVae
from nodes.builtin.models import models
from nodes.builtin.vae import there
from nodes.diffusion.values import Conditioning, Image, Latent
from nodes.spec import Context, NodeError, Out, Socket, String, node


@node(
    "MakeTrainingDataset",
    name="Make Training Dataset",
    category="dataset",
    takes_lists=True,
    experimental=True,
)
def make_training_dataset(
    ctx: Context,
    images: Annotated[Sequence[Image], Socket("IMAGE")],
    vae: Annotated[Sequence[AnyVae], Socket("VAE")],
    clip: Annotated[Sequence[AnyClip], Socket("CLIP")],
    texts: Annotated[Sequence[str] | None, String(optional=True, extra={"multiline": False})] = None,
) -> tuple[
    Annotated[list[Latent], Out("LATENT", "latents", is_list=True)],
    Annotated[list[Conditioning], Out("CONDITIONING", "conditioning", is_list=True)],
]:
    """Each picture as latents and each text as conditioning. One text, or none, counts for all pictures."""
    said = list(texts or [""])
    if len(said) == 1:
        said *= len(images)
    if len(said) != len(images):
        raise NodeError(
            f"There are {len(images)} images and {len(said)} texts.",
            "Connect one text for each image, one for all, or none.",
        )
    recipe = there(vae[0] if vae else None)
    with models(ctx) as loaded:
        coder = loaded.vae(recipe)
        latents: list[Latent] = []
        for image in images:
            latents.append(Latent(coder.encode(image[..., :3], ctx.say)))
            ctx.progress(len(latents), len(images))
    read = {text: encoded(ctx, clip[0], text) for text in dict.fromkeys(said)}
    return latents, [read[text] for text in said]


NODES = (make_training_dataset,)
