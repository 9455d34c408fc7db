"""PhotoMaker: a person's picture in a prompt of Stable Diffusion XL."""

from dataclasses import replace
from typing import Annotated

from nodes.builtin.encoding import encoded
from nodes.builtin.kinds import ClipIn, ConditioningOut, ImageIn
from nodes.builtin.loaders import content_of
from nodes.builtin.models import models, reference, told
from nodes.diffusion.lending import PhotoMaker
from nodes.diffusion.models.detect import Part
from nodes.diffusion.models.photomaker import find_photomaker, load_photomaker
from nodes.diffusion.values import Cond
from nodes.spec import Combo, Context, NodeError, Out, Socket, String, node

TRIGGER, CATEGORY = "photomaker", "_for_testing/photomaker"
TOKENS = 77


@node(
    "PhotoMakerLoader",
    category=CATEGORY,
    experimental=True,
    change_token=content_of("photomaker", "photomaker_model_name"),
)
def photomaker_loader(
    ctx: Context,
    photomaker_model_name: Annotated[
        str, Combo(folder="photomaker", bare=False, extra={"multiselect": False})
    ],
) -> Annotated[PhotoMaker, Out("PHOTOMAKER")]:
    """A network that says a person's picture in a prompt of Stable Diffusion XL."""
    file = reference(ctx, "photomaker", photomaker_model_name)
    with told():
        find_photomaker(file.path)
    return PhotoMaker(file)


@node("PhotoMakerEncode", category=CATEGORY, experimental=True)
def photomaker_encode(
    ctx: Context,
    photomaker: Annotated[PhotoMaker, Socket("PHOTOMAKER")],
    image: ImageIn,
    clip: ClipIn,
    text: Annotated[str, String(multiline=True, dynamic=True)] = "photograph of photomaker",
) -> ConditioningOut:
    """Encode a prompt in which the word before "photomaker" is the person in the picture ("a woman photomaker, smiling")."""
    words = text.split(" ")
    if TRIGGER not in words:
        ctx.say(f"The prompt has no word {TRIGGER!r} standing alone, so that the picture does nothing.")
        return encoded(ctx, clip, text)
    place = words.index(TRIGGER)
    if place == 0:
        raise NodeError(
            f"The prompt begins with {TRIGGER!r}, and the word before it says what the picture shows.",
            f'Write for example "a woman {TRIGGER}".',
        )
    plain = " ".join(words[:place] + words[place + 1 :])
    conditioning = encoded(ctx, clip, plain)
    with models(ctx) as loaded:
        network = loaded.beside(Part.PHOTOMAKER, photomaker.checkpoint, load_photomaker)
        made: list[Cond] = []
        for cond in conditioning:
            context = cond.context[:, :TOKENS].clone()
            context[:, place] = network.fused(context[:, place], image).to(context)
            made.append(replace(cond, context=context))
    return tuple(made)


NODES = (photomaker_loader, photomaker_encode)
