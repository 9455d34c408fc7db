"""Control networks of Z-Image: copies of some of its blocks, which share what comes before them with the network itself.

Source: Alibaba PAI 2025, Z-Image-Turbo-Fun-Controlnet-Union: the first version reads latents of a hint; the second
a mask and latents of the picture beside them, and controls the network's refiner too.
"""

import copy
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.diffusion.denoiser import NO_INPUTS, ControlNetwork, NetworkInputs, Residuals
from nodes.diffusion.errors import CheckpointUnreadable, ContextMismatch
from nodes.diffusion.latent_formats import LatentFormat
from nodes.diffusion.models.build import fill, known_settings, unfilled
from nodes.diffusion.models.controls.company import Company
from nodes.diffusion.models.controls.pictures import latents_of
from nodes.diffusion.models.families import z_image
from nodes.diffusion.models.families.layout import count, padded
from nodes.diffusion.models.files import AGAIN, WeightFile
from nodes.diffusion.models.load import Placement
from nodes.diffusion.regions import for_batch
from nodes.diffusion.values import ControlUse

FAMILY, PATCH = z_image.FAMILIES[0].name, z_image.PATCH
CHANNELS, GRAY = 16, 0.5
LAYERS, REFINER = "control_layers", "control_noise_refiner"


@dataclass(frozen=True, slots=True, eq=False)
class AddedInside:
    """What is added behind blocks of the network; as `Inside`.

    Attributes:
        refiner, main: by the number of the block, each Float[batch token feature].
    """

    refiner: Mapping[int, Tensor]
    main: Mapping[int, Tensor]
    strength: float = 1.0

    def scaled(self, strength: float) -> "AddedInside":
        """As `Inside`."""
        return replace(self, strength=self.strength * strength)

    def of_rows(self, rows: Tensor) -> "AddedInside":
        """As `Inside`."""
        parts = ({number: part[rows] for number, part in each.items()} for each in (self.refiner, self.main))
        return replace(self, refiner=next(parts), main=next(parts))

    @contextmanager
    def put_on(self, module: nn.Module) -> Generator[None]:
        """As `Inside`."""
        net = cast("Any", module)
        with ExitStack() as stack:
            for blocks, parts in ((net.noise_refiner, self.refiner), (net.layers, self.main)):
                for number, part in parts.items():
                    stack.callback(blocks[number].register_forward_hook(self._behind(part)).remove)
            yield

    def _behind(self, part: Tensor) -> Callable[..., Tensor]:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
            return output + part.to(output) * self.strength

        return hook


@dataclass(frozen=True, slots=True, eq=False)
class ZImageControl:
    """Such a net, as `ControlFile` and, once it is beside a network, as `ControlNetwork`.

    Attributes:
        module: a `ZImageControlNetModel` of diffusers.
        shared: the same with what it has in common with the network; None: it is beside none yet.
    """

    module: nn.Module
    device: torch.device
    dtype: torch.dtype
    shared: nn.Module | None = None
    company: Company | None = None
    strength: float = 1.0

    @property
    def config(self) -> Any:
        """The settings of its class."""
        return cast("Any", self.module).config

    def beside(self, company: Company) -> ControlNetwork:
        """As `ControlFile`."""
        if company.network.family.name != FAMILY:
            raise company.refuse(FAMILY)
        theirs = cast("Any", company.network.module)
        if theirs.config.dim != self.config.dim:
            raise company.refuse(f"{FAMILY} of another size")
        shared = copy.copy(self.module)
        vars(shared)["_modules"] = dict(vars(shared)["_modules"])
        vars(shared)["_parameters"] = dict(vars(shared)["_parameters"])
        return replace(
            self, shared=cast("Any", type(shared)).from_transformer(shared, theirs), company=company
        )

    def at_strength(self, strength: float) -> ControlNetwork:
        """As `StrongControl`: what it adds to the refiner changes what its blocks see."""
        return replace(self, strength=strength)

    def hint(self, use: ControlUse, height: int, width: int, form: LatentFormat) -> Tensor:
        """As `ControlNetwork`: latents of the hint; for the second version then the mask and latents of the picture.

        What the mask says is painted anew (0 in `use.mask`) is gray in that picture.
        """
        assert self.company is not None
        size = height, width
        made = form.to_model(latents_of(self.company, use.hint, size, form))
        if self.config.control_in_dim == CHANNELS:
            return made
        shown = use.inpainted
        shown = torch.full_like(use.hint[:1, ..., :3], GRAY) if shown is None else shown[..., :3]
        mask = None if use.mask is None else use.mask.reshape(-1, 1, *use.mask.shape[-2:]).to(shown)
        if mask is not None:
            kept = F.interpolate(mask, shown.shape[1:3], mode="bilinear").round()
            shown = (shown - GRAY) * for_batch(kept, len(shown)).movedim(1, -1) + GRAY
        picture = form.to_model(latents_of(self.company, shown, size, form))
        masked = made.new_zeros(1, 1, *size) if mask is None else F.interpolate(mask.to(made), size)
        return torch.cat((made, *(for_batch(part, len(made)) for part in (masked, picture))), 1)

    @torch.no_grad()
    def __call__(
        self,
        latents: Tensor,
        timestep: Tensor,
        context: Tensor,
        hint: Tensor,
        inputs: NetworkInputs = NO_INPUTS,
    ) -> Residuals:
        """As `ControlNetwork`.

        Raises:
            ContextMismatch: the text was read for another family.
        """
        assert self.company is not None
        net, theirs = cast("Any", self.shared), cast("Any", self.company.network.module)
        if context.shape[-1] != theirs.config.cap_feat_dim:
            raise ContextMismatch(context.shape[-1], theirs.config.cap_feat_dim)
        entered, shown = (
            list(padded(part.to(self.device, self.dtype), PATCH)[:, :, None].unbind(0))
            for part in (latents, hint)
        )
        refining: list[Tensor] = []
        with _overheard(net, refining):
            made = net(
                entered,
                (1.0 - timestep).to(self.device, self.dtype),
                z_image.counted_texts(context.to(self.device, self.dtype), inputs),
                shown,
                conditioning_scale=self.strength,
            )
        parts, layers = list(made.values()), len(theirs.layers)
        every = max(round(layers / len(parts)), 1)
        scaled = [part * self.strength for part in refining[: len(theirs.noise_refiner)]]
        refiner = dict(enumerate(scaled))
        return Residuals(inside=(AddedInside(refiner, {n * every: part for n, part in enumerate(parts)}),))


@contextmanager
def _overheard(net: Any, refining: list[Tensor]) -> Generator[None]:
    """While this lasts, what a net would add to the refiner is kept, which its class keeps to itself."""
    which = net.config.add_control_noise_refiner
    if which is None:
        yield
        return
    blocks = net.control_layers if which == LAYERS else net.control_noise_refiner

    def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        if not refining:
            refining.extend(output.unbind(0)[:-1])

    hook = blocks[-1].register_forward_hook(keep)
    try:
        yield
    finally:
        hook.remove()


def load_z_image(
    source: WeightFile, placement: Placement, said: Mapping[str, Any] | None = None
) -> ZImageControl:
    """The net of a file.

    Args:
        said: the settings of a diffusers folder; None: they are told from the tensors.

    Raises:
        CheckpointUnreadable: tensors are missing.
    """
    from diffusers.models.controlnets.controlnet_z_image import ZImageControlNetModel

    try:
        settings = _settings(source)
    except (KeyError, ValueError) as error:
        raise CheckpointUnreadable(source.path, f"it lacks the tensor {error}", AGAIN) from error
    if said is not None:
        settings = known_settings(ZImageControlNetModel, said, source.path)
    module = unfilled(lambda: ZImageControlNetModel(**settings), source.path)
    fill(module, source, [(name, name) for name in source.shapes], placement.device, placement.dtype)
    return ZImageControl(module, placement.device, placement.dtype)


def _settings(source: WeightFile) -> dict[str, Any]:
    shapes = source.shapes
    width, read = shapes["control_all_x_embedder.2-1.weight"]
    (head,) = shapes["control_layers.0.attention.norm_q.weight"]
    layers, refiners = count(shapes, LAYERS + "."), count(shapes, REFINER + ".")
    which = None
    if f"{REFINER}.0.after_proj.weight" in shapes:
        which = REFINER
    elif not refiners:
        which = LAYERS
    return {
        "control_layers_places": _places(layers),
        "control_refiner_layers_places": list(range(refiners or layers)),
        "control_in_dim": read // PATCH**2,
        "add_control_noise_refiner": which,
        "dim": width,
        "n_refiner_layers": refiners,
        "n_heads": width // head,
        "n_kv_heads": shapes["control_layers.0.attention.to_k.weight"][0] // head,
    }


def _places(layers: int) -> Sequence[int]:
    """Numbers for its blocks; where they act is told from the network's own number of layers."""
    return list(range(layers))
