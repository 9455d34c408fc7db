"""Control networks of diffusion transformers: copies of a few of their blocks, which read latents of a picture.

Source: Zhang et al. 2023 (arXiv:2302.05543), as InstantX, XLabs, AliMama and Stability AI carried it over to transformers.
Nets for inpainting read a mask beside the latents, as one channel more.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from nodes.diffusion.denoiser import NO_INPUTS, ControlNetwork, NetworkInputs, Residuals
from nodes.diffusion.errors import CheckpointUnknown, CheckpointUnreadable, ContextMismatch, DiffusionError
from nodes.diffusion.hints import fitted, fitted_hint
from nodes.diffusion.latent_formats import LatentFormat
from nodes.diffusion.models.build import fill, known_settings, unfilled
from nodes.diffusion.models.controls import settings
from nodes.diffusion.models.controls.company import Company
from nodes.diffusion.models.controls.layouts import names_in
from nodes.diffusion.models.controls.settings import CHANNELS, PATCH
from nodes.diffusion.models.families import flux, qwen_image, sd3
from nodes.diffusion.models.families.layout import padded
from nodes.diffusion.models.family import Place, Shapes, translated
from nodes.diffusion.models.files import WeightFile
from nodes.diffusion.models.load import Placement
from nodes.diffusion.regions import for_batch
from nodes.diffusion.residuals import Row, Spread
from nodes.diffusion.values import ControlUse

VARIANT = "It is a variant that Weft does not know, or it is cut short."


@runtime_checkable
class AskControl(Protocol):
    """Calls a control network of diffusers with what samplers hold."""

    def __call__(
        self,
        net: "TransformerControl",
        latents: Tensor,
        timestep: Tensor,
        context: Tensor,
        hint: Tensor,
        inputs: NetworkInputs,
    ) -> Residuals:
        """What it adds; latents and hint have sides of whole patches."""
        ...


@dataclass(frozen=True, slots=True)
class Sort:
    """The control networks of one family.

    Attributes:
        family: its name. made_by: "module:Class".
        settings: of the class, from shapes under diffusers' names; None if they are of another family. KeyError where
            tensors are missing that every one has.
        entry: the tensor that takes in hints.
    """

    family: str
    made_by: str
    settings: Callable[[Shapes], dict[str, Any] | None]
    ask: AskControl
    entry: str

    def class_of(self) -> Callable[..., nn.Module]:
        """The class."""
        module, _, name = self.made_by.partition(":")
        return cast("Callable[..., nn.Module]", getattr(import_module(module), name))


@dataclass(frozen=True, slots=True, eq=False)
class TransformerControl:
    """A control network of a transformer, as `ControlFile` and, once it is beside one, `ControlNetwork`.

    Attributes:
        module: of diffusers.
        masked: it reads a mask beside the latents of its picture.
        shows: it reads the picture itself, not its latents.
        company: what it works beside; None: nothing yet.
    """

    module: nn.Module
    sort: Sort
    device: torch.device
    dtype: torch.dtype
    masked: bool = False
    shows: bool = False
    company: Company | None = None

    @property
    def config(self) -> Any:
        """The settings of its class."""
        return cast("Any", self.module).config

    def beside(self, company: Company) -> ControlNetwork:
        """As `ControlFile`."""
        if company.network.family.name != self.sort.family:
            raise company.refuse(self.sort.family)
        ours, theirs = (_width(module) for module in (self.module, company.network.module))
        if ours != theirs:
            raise company.refuse(f"another size of {self.sort.family}")
        return replace(self, company=company)

    def hint(self, use: ControlUse, height: int, width: int, form: LatentFormat) -> Tensor:
        """As `ControlNetwork`: latents at the model's scale and, for nets that read one, a mask; or the picture, -1 to 1.

        Raises:
            DiffusionError: no VAE is connected, or no mask is given to a net that reads one.
        """
        assert self.company is not None
        shown, tall, wide = use.hint, height + height % PATCH, width + width % PATCH
        if self.shows:
            return fitted_hint(shown, wide * form.pixels, tall * form.pixels) * 2.0 - 1.0
        if self.masked:
            if use.mask is None:
                raise DiffusionError(
                    f"{self.company.name} paints a part of a picture anew, and no mask says which.",
                    "Use ControlNetInpaintingAliMamaApply instead of Apply ControlNet.",
                )
            shown = _without_hidden(shown, use.mask)
        planes = fitted_hint(shown, width * form.pixels, height * form.pixels)
        latents = self.company.encoder().encode(planes.movedim(1, -1))
        if self.sort is SD3 and self.config.force_zeros_for_pooled_projection and not self.masked:
            form = replace(form, shift=0.0)  # InstantX trained so
        made = form.to_model(latents)
        made = made[:, :, 0] if made.ndim > 4 else made
        if use.mask is None or not self.masked:
            return made
        kept = fitted(1.0 - use.mask[:, None].to(made), width, height)
        return torch.cat((made, for_batch(kept, len(made))), 1)

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
        wanted = self.config.joint_attention_dim
        if wanted is not None and context.shape[-1] != wanted:
            raise ContextMismatch(context.shape[-1], wanted)
        given = latents[:, :, 0] if latents.ndim > 4 else latents
        entered, text, shown = (part.to(self.device, self.dtype) for part in (given, context, hint))
        entered, shown = padded(entered, PATCH), padded(shown, PATCH)
        made = self.sort.ask(self, entered, timestep.to(self.device), text, shown, inputs)
        return made.to(latents)


def load_transformer_control(
    source: WeightFile, prefix: str, placement: Placement, said: Mapping[str, Any] | None = None
) -> TransformerControl:
    """The control network of a transformer in a file.

    Args:
        prefix: of its tensors' names.
        said: the settings of a diffusers folder; None: they are told from the tensors.

    Raises:
        CheckpointUnknown: it is of a family that has none here. CheckpointUnreadable: tensors are missing.
    """
    places = names_in(source.under(prefix))
    shapes = translated(source.under(prefix), places)
    sort, measured = _sort(source, shapes)
    made = sort.class_of()
    if said is not None:
        measured = known_settings(made, said, source.path)
    entry = shapes[sort.entry]
    module = unfilled(lambda: _widened(made(**measured), entry), source.path)
    by_name: dict[str, Place] = {place.ours: place for place in places}
    fill(
        module,
        source,
        [(prefix + place.theirs, place.ours) for place in places],
        placement.device,
        placement.dtype,
        lambda ours, tensor: by_name[ours].read(tensor),
    )
    shows = any(name.startswith("input_hint_block.") for name in shapes)
    masked = not shows and entry[1] > (CHANNELS if len(entry) > 2 else CHANNELS * PATCH**2)
    return TransformerControl(module, sort, placement.device, placement.dtype, masked, shows)


def _sort(source: WeightFile, shapes: Shapes) -> tuple[Sort, dict[str, Any]]:
    for sort in SORTS:
        try:
            measured = sort.settings(shapes)
        except (KeyError, ValueError) as error:
            raise CheckpointUnreadable(source.path, f"it lacks the tensor {error}", VARIANT) from error
        if measured is not None:
            return sort, measured
    raise CheckpointUnknown(
        source.path, "a control network that Weft knows", "it is of another family of transformers"
    )


def _widened(module: nn.Module, entry: tuple[int, ...]) -> nn.Module:
    """FLUX nets that read a mask have a wider entry, which the class has no setting for."""
    old = getattr(module, "controlnet_x_embedder", None)
    if isinstance(old, nn.Linear) and old.in_features != entry[1]:
        cast("Any", module).controlnet_x_embedder = nn.Linear(entry[1], entry[0])
    return module


def _width(module: nn.Module) -> int:
    config = cast("Any", module).config
    return config.num_attention_heads * config.attention_head_dim


def _without_hidden(shown: Tensor, mask: Tensor) -> Tensor:
    """A picture that is black where the mask says that it is painted anew."""
    kept = fitted(1.0 - mask[:, None].to(shown), shown.shape[2], shown.shape[1], "bilinear").round()
    return shown * for_batch(kept, len(shown)).movedim(1, -1)


def _ask_sd3(
    net: TransformerControl,
    latents: Tensor,
    timestep: Tensor,
    context: Tensor,
    hint: Tensor,
    inputs: NetworkInputs,
) -> Residuals:
    module, config, pooled = cast("Any", net.module), net.config, inputs.pooled
    if pooled is None or config.force_zeros_for_pooled_projection:
        pooled = latents.new_zeros(len(latents), config.pooled_projection_dim)
    if not config.use_pos_embed:  # it counts on the places that the model itself knows
        assert net.company is not None
        places = cast("Any", net.company.network.module).pos_embed
        latents = places(latents.to(net.company.network.dtype)).to(latents)
    (parts,) = module(
        latents,
        hint,
        encoder_hidden_states=None if config.joint_attention_dim is None else context,
        pooled_projections=pooled.to(latents),
        timestep=timestep,
        return_dict=False,
    )
    return Residuals(double=(Row(parts, Spread.EVENLY),))


def _ask_flux(
    net: TransformerControl,
    latents: Tensor,
    timestep: Tensor,
    context: Tensor,
    hint: Tensor,
    inputs: NetworkInputs,
) -> Residuals:
    module, config, pooled, batch = cast("Any", net.module), net.config, inputs.pooled, len(latents)
    ids = flux.positions(latents, 0)
    guidance = latents.new_zeros(batch) if inputs.guidance is None else inputs.guidance.to(latents)
    pooled = latents.new_zeros(batch, config.pooled_projection_dim) if pooled is None else pooled
    mode = _mode(net, batch, latents.device)
    module.union = mode is not None
    double, single = module(
        flux.packed(latents),
        controlnet_cond=hint if net.shows else flux.packed(hint),
        controlnet_mode=mode,
        encoder_hidden_states=context,
        pooled_projections=pooled.to(latents),
        timestep=timestep.to(latents.dtype),
        img_ids=ids,
        txt_ids=ids.new_zeros(context.shape[1], flux.AXES),
        guidance=guidance if config.guidance_embeds else None,
        return_dict=False,
    )
    spread = Spread.AGAIN if net.shows else Spread.RUNS
    return Residuals(
        double=() if double is None else (Row(double, spread),),
        single=() if single is None else (Row(single),),
    )


def _mode(net: TransformerControl, batch: int, device: torch.device) -> Tensor | None:
    """The number of the kind of hint, for unions; None: the net is none, or is left to guess."""
    assert net.company is not None
    kinds, kind = net.config.num_mode, net.company.net.kind
    if kinds is None or kind is None:
        return None
    if kind >= kinds:
        raise DiffusionError(
            f"The control network knows {kinds} kinds of hints; this is number {kind + 1}.",
            "Choose another type in SetUnionControlNetType, or the net's newer version.",
        )
    return torch.full((batch, 1), kind, dtype=torch.long, device=device)


def _ask_qwen(
    net: TransformerControl,
    latents: Tensor,
    timestep: Tensor,
    context: Tensor,
    hint: Tensor,
    inputs: NetworkInputs,
) -> Residuals:
    height, width = (side // PATCH for side in latents.shape[-2:])
    parts = cast("Any", net.module)(
        flux.packed(latents),
        flux.packed(hint),
        encoder_hidden_states=context,
        encoder_hidden_states_mask=inputs.token_mask,
        timestep=timestep.to(latents.dtype),
        img_shapes=[[(1, height, width)]] * len(latents),
        return_dict=False,
    )
    return Residuals(double=(Row(parts),))


_CLASSES = "diffusers.models.controlnets."
SD3 = Sort(
    sd3.FAMILIES[0].name,
    _CLASSES + "controlnet_sd3:SD3ControlNetModel",
    settings.sd3,
    _ask_sd3,
    "pos_embed_input.proj.weight",
)
FLUX = Sort(
    flux.FAMILIES[0].name,
    _CLASSES + "controlnet_flux:FluxControlNetModel",
    settings.flux,
    _ask_flux,
    "controlnet_x_embedder.weight",
)
QWEN = Sort(
    qwen_image.FAMILIES[0].name,
    _CLASSES + "controlnet_qwenimage:QwenImageControlNetModel",
    settings.qwen,
    _ask_qwen,
    "controlnet_x_embedder.weight",
)
SORTS = (SD3, FLUX, QWEN)
