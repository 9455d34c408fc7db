"""The model inside a patcher, as packs hold it: `BaseModel` over a loaded network of ours."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor

from nodes.compat.faced import context, session
from nodes.compat.formats import face_of
from nodes.compat.standing import refuse
from nodes.compat.surgery import model_sampling as samplings
from nodes.compat.surgery.asking import replaced_way, within
from nodes.compat.surgery.extension import WrapperExecutor, WrappersMP, get_all_wrappers
from nodes.compat.surgery.families import ADM, CALLED, UNETS, configuration, family_name
from nodes.compat.surgery.inside import Overridden, UnetPatches, positions_of
from nodes.compat.surgery.model_type import ModelType
from nodes.compat.surgery.network import Diffusion
from nodes.compat.unets.seen import changed
from nodes.compat.unets.through import handlers
from nodes.diffusion.changes import NO_CHANGES, Kind, NetworkChanges
from nodes.diffusion.conditions import of_rows
from nodes.diffusion.denoiser import NO_INPUTS, Network, NetworkInputs, Parametrisation
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.residuals import Residuals

TYPES = {
    Parametrisation.EPS: ModelType.EPS,
    Parametrisation.V: ModelType.V_PREDICTION,
    Parametrisation.EDM: ModelType.V_PREDICTION_EDM,
    Parametrisation.FLOW: ModelType.FLOW,
    Parametrisation.X0: ModelType.IMG_TO_IMG,
    Parametrisation.IMAGE_TO_IMAGE: ModelType.IMG_TO_IMG,
    Parametrisation.COSMOS: ModelType.FLOW_COSMOS,
    Parametrisation.CONSISTENCY: ModelType.EPS,
}
OF_TRANSFORMERS = (
    "attn1 attn2 attn1_patch attn2_patch attn1_output_patch attn2_output_patch middle_patch post_input double_block "
    "noise_refiner dit"
).split()  # patches and replacements that packs put into transformers, where ours hear none
# Patches for U-Nets' blocks alone, which no transformer has a place for, and for transformers' alone.
OF_BLOCKS = (
    "input_block_patch input_block_patch_after_skip output_block_patch middle_block_after_patch emb_patch "
    "forward_timestep_embed_patch"
).split()
OF_STREAMS = "double_block single_block post_input noise_refiner dit".split()
CARRIED = "weft_carried"  # under which what a call is told beside its arguments lies in its options


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """What our engine tells a network and packs hand through: which one is asked, and what beside text and latents."""

    network: Network
    inputs: NetworkInputs = NO_INPUTS
    residuals: Residuals | None = None
    changes: NetworkChanges = NO_CHANGES
    control: dict[str, Any] | None = None


class BaseModel:
    """A model's inside: it estimates clean latents, and its parts can be read.

    Attributes:
        current_patcher: the patcher that it is of.
    """

    current_patcher: Any

    def __init__(self, patcher: Any, *_more: object, **_named: object) -> None:
        if not hasattr(patcher, "recipe"):
            refuse("comfy.model_base.BaseModel made by a pack")
        self.current_patcher = patcher
        family = "" if patcher.recipe is None else family_name(patcher.recipe.checkpoint.path)
        self.diffusion_model = Diffusion(self, unet=family in UNETS)
        self._bound: tuple[Any, Any] | None = None
        self._unheard: set[str] = set()

    def loaded(self) -> LoadedNetwork:
        """The network, loaded for the node that runs."""
        return unwrapped(self.parts()[0])

    def parts(self) -> tuple[Any, Any]:
        """The network, and what finds those of control recipes beside it."""
        if self._bound is not None:
            return self._bound
        with session() as models:
            return models.network(self.current_patcher.settled()), models.control

    def bind(self, network: Any, controls: Any = None) -> None:
        """Use a network that somebody else has loaded; None: load it for the node that runs."""
        self._bound = None if network is None else (network, controls)

    def held(self) -> AbstractContextManager[Any]:
        """Its network stays loaded until the block ends."""
        return session() if self._bound is None else nullcontext()

    @property
    def model_sampling(self) -> Any:
        """Its noise levels, and what it predicts."""
        patched = self.current_patcher.object_patches.get("model_sampling")
        return samplings.of_network(self.loaded()) if patched is None else patched

    @property
    def latent_format(self) -> Any:
        """How its latents are scaled."""
        patched = self.current_patcher.object_patches.get("latent_format")
        return face_of(self.loaded().latent_format)() if patched is None else patched

    @property
    def model_config(self) -> Any:
        """What it was made with."""
        loaded = self.loaded()
        return configuration(loaded.family.name, loaded, self.latent_format)

    @property
    def model_type(self) -> ModelType:
        """What it predicts, by the field's name."""
        loaded = self.loaded()
        if loaded.parametrisation is Parametrisation.FLOW and loaded.family.name.startswith("FLUX"):
            return ModelType.FLUX
        return TYPES[loaded.parametrisation]

    @property
    def adm_channels(self) -> int:
        """How many numbers it reads beside text and timestep."""
        return ADM.get(self.loaded().family.name, 0)

    @property
    def concat_keys(self) -> tuple[str, ...]:
        """What it reads beside its latents."""
        return ("mask", "masked_image") if self.loaded().latent_format.joined else ()

    memory_usage_factor = 2.0

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.loaded().device

    @property
    def manual_cast_dtype(self) -> None:
        """It computes in the type of its weights."""

    def get_dtype(self) -> torch.dtype:
        """What its weights are kept in."""
        return self.loaded().dtype

    def get_dtype_inference(self) -> torch.dtype:
        """What it computes in."""
        return self.loaded().dtype

    def process_latent_in(self, latent: Tensor) -> Tensor:
        """From the VAE's scale to the model's."""
        return self.latent_format.process_in(latent)

    def process_latent_out(self, latent: Tensor) -> Tensor:
        """From the model's scale to the VAE's."""
        return self.latent_format.process_out(latent)

    def scale_latent_inpaint(
        self, sigma: Tensor, noise: Tensor, latent_image: Tensor, **_more: object
    ) -> Any:
        """What is kept, noisy, as a run sees it."""
        sigma = sigma.reshape([sigma.shape[0]] + [1] * (noise.ndim - 1))
        return self.model_sampling.noise_scaling(sigma, noise, latent_image)

    def memory_required(self, input_shape: Any, cond_shapes: object = None) -> int:
        """Bytes that a call with such latents takes, at most."""
        del cond_shapes
        count = 1
        for side in (input_shape[0], *input_shape[2:]):
            count *= int(side)
        return count * 2**17

    def apply_model(
        self,
        x: Tensor,
        t: Tensor,
        c_concat: Tensor | None = None,
        c_crossattn: Tensor | None = None,
        control: Any = None,
        transformer_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """The estimate of clean latents; `t` are sigmas, one for each item."""
        options = dict(transformer_options or {})
        executor = WrapperExecutor.new_class_executor(
            self._apply_model, self, get_all_wrappers(WrappersMP.APPLY_MODEL, options)
        )
        return executor.execute(x, t, c_concat, c_crossattn, control, options, **kwargs)

    def _apply_model(
        self,
        x: Tensor,
        t: Tensor,
        c_concat: Tensor | None = None,
        c_crossattn: Tensor | None = None,
        control: Any = None,
        transformer_options: Any = None,
        **kwargs: Any,
    ) -> Tensor:
        options: dict[str, Any] = dict(transformer_options or {})
        carried = options.get(CARRIED) or Carried(self.loaded())
        options[CARRIED] = replace(carried, inputs=_told(carried.inputs, x, c_concat, kwargs))
        sampling = self.model_sampling
        scaled = sampling.calculate_input(t, x).to(carried.network.dtype)
        timestep = sampling.timestep(t).float()
        executor = WrapperExecutor.new_class_executor(
            self.diffusion_model.forward,
            self.diffusion_model,
            get_all_wrappers(WrappersMP.DIFFUSION_MODEL, options),
        )
        more = {name: value for name, value in kwargs.items() if name not in ("y", "guidance")}
        predicted = executor.execute(scaled, timestep, c_crossattn, kwargs.get("y"), control, options, **more)
        return sampling.calculate_denoised(t, predicted.float(), x)

    def predict(
        self, x: Tensor, timestep: Tensor, context: Tensor | None, control: Any, options: dict[str, Any]
    ) -> Tensor:
        """What the network predicts, packs' patches inside it at work. For `Diffusion`."""
        carried: Carried = options.get(CARRIED) or Carried(self.loaded())
        network, residuals = carried.network, carried.residuals
        if control is not carried.control:
            residuals = None if control is None else residuals_of(control)
        if context is None:
            raise ValueError("The model was called without c_crossattn, its text.")
        changes = carried.changes
        parted = False
        with ExitStack() as stack:
            bare = unwrapped(network)
            if isinstance(bare, LoadedNetwork) and Kind.ATTENTION in bare.family.takes:
                self._tell_unheard(options, OF_STREAMS)
                objects = self.current_patcher.put_inside()
                parted = bool(objects or handlers(options)) or changed(bare)
                stack.enter_context(within(options, objects, by_parts=parted))
                if not parted:
                    changes = changes + self._inside(bare, options, (x, timestep, context), stack)
            else:
                refuse_inside(options, OF_TRANSFORMERS)
                self._tell_unheard(options, OF_BLOCKS)
                stack.enter_context(within(options, {}, by_parts=False))
            positions = positions_of(options)
            if positions is not None:
                changes = changes + NetworkChanges(positions=positions)
            override = options.get("optimized_attention_override") or replaced_way()
            if override is not None and not parted:
                stack.enter_context(Overridden(override, options))
            return network(
                x.to(network.dtype),
                timestep,
                context.to(network.device, network.dtype),
                residuals=residuals,
                inputs=carried.inputs,
                changes=changes,
            )

    def _tell_unheard(self, options: Mapping[str, Any], names: Sequence[str]) -> None:
        """Say once where a pack has put in what this kind of network has no place for: it changes nothing."""
        given = {**(options.get("patches") or {}), **(options.get("patches_replace") or {})}
        for name in names:
            if given.get(name) and name not in self._unheard:
                self._unheard.add(name)
                kind = self.loaded().family.name
                context().say(
                    f"A pack changes {name!r} of the model, which {kind} does not have: this changes nothing."
                )

    def _inside(
        self, network: LoadedNetwork, options: dict[str, Any], given: Any, stack: ExitStack
    ) -> NetworkChanges:
        """Packs' patches as changes of ours; what of them listens to layers does so until the stack ends."""
        patches = UnetPatches(options, network.module, *given)
        if options.get("patches", {}).keys() & {"emb_patch", "middle_block_after_patch"}:
            hook = cast("Any", network.module).time_embedding.register_forward_hook(patches.hear)
            stack.callback(hook.remove)
        return patches.changes()

    def extra_conds(self, **kwargs: Any) -> dict[str, Any]:
        """What is told beside latents and timestep: the text."""
        conds: Any = sys.modules["comfy.conds"]
        made: dict[str, Any] = {}
        if kwargs.get("cross_attn") is not None:
            made["c_crossattn"] = conds.CONDCrossAttn(kwargs["cross_attn"])
        if kwargs.get("pooled_output") is not None:
            made["y"] = conds.CONDRegular(kwargs["pooled_output"])
        return made

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"Weft's model has no {name!r}: this part of the host is not offered to packs yet.",
            name=name,
            obj=self,
        )


BASES: dict[str, type[BaseModel]] = {"BaseModel": BaseModel}
BASES |= {called: type(called, (BaseModel,), {}) for called, _, _ in CALLED.values() if called != "BaseModel"}


def base_model(patcher: Any) -> BaseModel:
    """The model inside a patcher, of its family's class."""
    family = "" if patcher.recipe is None else family_name(patcher.recipe.checkpoint.path)
    return BASES[CALLED.get(family, ("BaseModel", "", ""))[0]](patcher)


def unwrapped(network: Any) -> Any:
    """The network behind all that stands before it."""
    while not isinstance(network, LoadedNetwork) and hasattr(network, "network"):
        network = network.network
    return network


def refuse_inside(options: Mapping[str, Any], names: Sequence[str]) -> None:
    """Say it where a pack has put patches into a network that would have to be heard there and are not.

    Raises:
        NotOffered: there are some of these names.
    """
    given = {**(options.get("patches") or {}), **(options.get("patches_replace") or {})}
    for name in names:
        if given.get(name):
            each: Any = given[name]
            first = next(iter(each.values() if isinstance(each, Mapping) else each), None)
            refuse(f"the patch {name!r} inside this kind of model", first)


def _told(
    inputs: NetworkInputs, x: Tensor, c_concat: Tensor | None, said: Mapping[str, Any]
) -> NetworkInputs:
    """What the network reads beside its text, as a pack has left it."""
    known = next((len(one) for one in (inputs.sizes, inputs.beauty) if one is not None), len(x))
    if known != len(x):  # a pack asks for some of the items, or for more
        rows = torch.arange(len(x)) % known
        inputs = replace(of_rows(inputs, rows), sides=inputs.sides, conds=())
    pooled, guidance = said.get("y", inputs.pooled), said.get("guidance", inputs.guidance)
    if (
        isinstance(pooled, Tensor)
        and inputs.pooled is not None
        and pooled.shape[1:] != inputs.pooled.shape[1:]
    ):
        pooled = inputs.pooled
    return replace(
        inputs, pooled=pooled, guidance=guidance, joined=inputs.joined if c_concat is None else c_concat
    )


def residuals_of(control: Mapping[str, Any]) -> Residuals:
    """What a pack says that control networks add; those of blocks that get nothing are None."""
    down = list(control.get("output") or ())
    middle = next((part for part in control.get("middle") or () if part is not None), None)
    some = next((part for part in (*down, middle) if part is not None), None)
    filled = (
        [torch.zeros((), device=some.device) if part is None else part for part in down]
        if some is not None
        else []
    )
    return Residuals(down=tuple(filled), middle=middle, levels=tuple(control.get("input") or ()))
