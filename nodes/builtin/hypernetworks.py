"""Hypernetworks: small networks that change what a U-Net's attention reads."""

from typing import Annotated

from nodes.builtin.kinds import ModelIn, ModelOut
from nodes.builtin.loaders import content_of
from nodes.builtin.models import reference, told
from nodes.diffusion.guidance.hypernetworks import Hypernetworked
from nodes.diffusion.lending import Hypernetwork
from nodes.diffusion.models.hypernetworks import find_hypernetwork
from nodes.spec import Combo, Context, Float, node


@node(
    "HypernetworkLoader",
    category="loaders",
    change_token=content_of("hypernetworks", "hypernetwork_name"),
)
def hypernetwork_loader(
    ctx: Context,
    model: ModelIn,
    hypernetwork_name: Annotated[
        str, Combo(folder="hypernetworks", bare=False, extra={"multiselect": False})
    ],
    strength: Annotated[float, Float(minimum=-10.0, maximum=10.0, step=0.01)] = 1.0,
) -> ModelOut:
    """Add a hypernetwork to a model of the Stable Diffusion 1 family or another U-Net that it was trained for."""
    if strength == 0.0:
        return model
    file = reference(ctx, "hypernetworks", hypernetwork_name)
    with told():
        find_hypernetwork(file.path)
    return model.ruled(Hypernetworked(Hypernetwork(file), strength))


NODES = (hypernetwork_loader,)
