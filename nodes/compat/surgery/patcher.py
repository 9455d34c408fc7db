"""MODEL as packs hold it: `ModelPatcher` over a recipe, with what packs have put into it.

Back at the border it is its recipe again, with rules for what packs' functions do (`rules`); it comes out of one as it was.
"""

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from nodes.compat.faced import Face, session
from nodes.compat.standing import refuse
from nodes.compat.surgery import own_modules
from nodes.compat.surgery.base_model import BaseModel, base_model
from nodes.compat.surgery.changed import Changed, copied, empty_options
from nodes.compat.surgery.extension import CallbacksMP
from nodes.compat.surgery.kept import Functions
from nodes.compat.surgery.model_sampling import GivenLevels
from nodes.compat.surgery.patch_weights import Weights
from nodes.compat.surgery.rules import of_kind, parted, rules_of
from nodes.compat.surgery.setting import Setters
from nodes.compat.surgery.unasked import Unasked
from nodes.compat.unets.seen import has, is_unet
from nodes.diffusion.denoiser import Parametrisation
from nodes.diffusion.values import Model

KEPT = ("model_options", "object_patches", "wrappers", "callbacks", "attachments", "injections")
ALSO_KEPT = ("additional_models", "patches", "hook_patches")
PATCHED = ("model_sampling", "latent_format", "diffusion_model.forward")
NETWORK = "diffusion_model"


class ModelPatcher(Face, Setters, Functions, Weights, Unasked):
    """A model and what is done to it; clones share nothing that one of them changes."""

    recipe: Model
    parent: Any = None
    weight_inplace_update = False
    size = 0
    is_clip = False
    is_injected = False

    def __init__(
        self,
        model: Any,
        load_device: torch.device | None = None,
        offload_device: torch.device | None = None,
        size: int = 0,
        weight_inplace_update: bool = False,
    ) -> None:
        """Of a recipe, or of the model inside another patcher; packs may wrap a module of their own to keep it here."""
        del size, weight_inplace_update
        self.module: Any = None
        if isinstance(model, BaseModel):
            model = model.current_patcher.recipe
        if not isinstance(model, Model):
            self.module, model = model, None
        super().__init__(model)
        self._places = load_device, offload_device
        self._inside: BaseModel | None = None
        self.model_options: dict[str, Any] = empty_options()
        self.object_patches: dict[str, Any] = {}
        self.wrappers: dict[Any, Any] = {}
        self.callbacks: dict[Any, Any] = {}
        self.attachments: dict[Any, Any] = {}
        self.injections: dict[Any, Any] = {}
        self.additional_models: dict[Any, Any] = {}
        self.patches: dict[Any, Any] = {}
        self.hook_patches: dict[Any, Any] = {}
        self.object_patches_backup: dict[str, Any] = {}
        self.backup: dict[str, Any] = {}
        self.patches_uuid = object()

    # --- across the border --------------------------------------------------------------------------------------------

    @classmethod
    def of(cls, model: Model) -> Any:
        """The patcher of a recipe, as the pack that changed it last had it."""
        own, changed = parted(model)
        made = cls(own) if changed is None else again(changed.origin)
        made.recipe = own
        if isinstance(own.settings.levels, GivenLevels):
            made.object_patches["model_sampling"] = own.settings.levels.sampling
        else:
            made.object_patches.pop("model_sampling", None)
        return made

    def inside(self) -> object:
        """The recipe with what packs have changed; a patcher of a pack's own module stays what it is."""
        if self.recipe is None:
            return self
        self._check_objects()
        bare = self.settled()
        changed = Changed(
            self.model_options,
            self.object_patches,
            self.wrappers,
            self.callbacks,
            self.attachments,
            self.injections,
            self.additional_models,
            type(self).__qualname__,
            origin=again(self),
        )
        rules = rules_of(changed, lambda: changed.origin)
        return replace(bare, rules=(*bare.rules, *rules))

    def settled(self) -> Model:
        """The recipe, sampled as a pack's `model_sampling` says."""
        sampling = self.object_patches.get("model_sampling")
        if sampling is None:
            return self.recipe
        known = self.recipe.settings.levels
        if isinstance(known, GivenLevels) and known.sampling is sampling:
            return self.recipe
        kind = getattr(sampling, "PARAMETRISATION", Parametrisation.EPS)
        levels: Any = GivenLevels(sampling)
        settings = replace(self.recipe.settings, parametrisation=kind.value, levels=levels)
        return replace(self.recipe, settings=settings)

    def put_inside(self) -> dict[str, Any]:
        """What packs put in the place of parts of the network, by name."""
        return {
            name: made
            for name, made in self.object_patches.items()
            if name.startswith(f"{NETWORK}.") and name not in PATCHED
        }

    def _check_objects(self) -> None:
        inside = self.put_inside()
        for name, made in self.object_patches.items():
            if name not in PATCHED and not (name in inside and self._has(name)):
                refuse(f"a part of its own in the place of the model's {name!r}", made)

    def _has(self, name: str) -> bool:
        """Whether its network has a part of this name that can be replaced."""
        loaded = self.model.loaded()
        return is_unet(loaded) and has(loaded, name)

    # --- its life -----------------------------------------------------------------------------------------------------

    def clone(self, *_more: object, **_named: object) -> Any:
        """Another one like it: options, functions and patches are copies, what they hold is the same."""
        made = again(self)
        made.parent = self
        made.additional_models = {
            key: [each.clone() for each in models] for key, models in self.additional_models.items()
        }
        for key, attachment in self.attachments.items():
            cloned = getattr(attachment, "on_model_patcher_clone", None)
            made.attachments[key] = attachment if cloned is None else cloned()
        for call in of_kind(self.callbacks, CallbacksMP.ON_CLONE):
            call(self, made)
        return made

    def is_clone(self, other: object) -> bool:
        """Whether both are of one checkpoint."""
        if not isinstance(other, ModelPatcher):
            return False
        if self.recipe is None or other.recipe is None:
            return self.module is not None and self.module is other.module
        return other.recipe.checkpoint == self.recipe.checkpoint

    def clone_has_same_weights(self, clone: object, allow_multigpu: bool = False) -> bool:
        """Whether both have the same weights, patches and all."""
        del allow_multigpu
        if self.module is not None:
            return self.is_clone(clone) and getattr(clone, "patches_uuid", None) is self.patches_uuid
        return self.is_clone(clone) and getattr(clone, "recipe").patches == self.recipe.patches  # noqa: B009

    def is_dynamic(self) -> bool:
        """Weights are on the device or they are not."""
        return False

    @property
    def load_device(self) -> torch.device:
        """Where it computes."""
        if self._places[0] is not None:
            return torch.device(self._places[0])
        with session() as loaded:
            return loaded.pool.placement.device

    @property
    def offload_device(self) -> torch.device:
        """Where it waits."""
        return torch.device("cpu" if self._places[1] is None else self._places[1])

    def current_loaded_device(self) -> torch.device:
        """Where it is now."""
        first = None if self.module is None else next(self.module.parameters(), None)
        return self.load_device if first is None else first.device

    @property
    def model(self) -> Any:
        """The model inside."""
        if self.module is not None:
            return self.module
        if self._inside is None:
            self._inside = base_model(self)
        return self._inside

    def get_model_object(self, name: str) -> Any:
        """A part of the model by its dotted name: a pack's own in its place, or the model's."""
        if name in self.object_patches:
            return self.object_patches[name]
        found: Any = self.model
        for part in name.split("."):
            found = getattr(found, part)
        return found

    def add_object_patch(self, name: str, obj: Any) -> None:
        """Put something in the place of a part of the model, for this clone."""
        self.object_patches[name] = obj

    def model_dtype(self) -> torch.dtype:
        """What its weights are kept in."""
        return torch.float32 if self.module is None else next(iter(self.module.parameters())).dtype

    def model_size(self) -> int:
        """Bytes of its weights."""
        parts = self.module if self.module is not None else self.model.loaded().module
        return sum(each.numel() * each.element_size() for each in parts.state_dict().values())

    def loaded_size(self) -> int:
        """Bytes of its weights on the device."""
        return self.model_size()

    def lowvram_patch_counter(self) -> int:
        """No weights wait for their patches."""
        return 0

    def memory_required(self, input_shape: Any) -> int:
        """Bytes that a call takes."""
        return self.model.memory_required(input_shape)

    def model_state_dict(self, filter_prefix: str | None = None) -> dict[str, Tensor]:
        """Its weights by the names of the original layout."""
        if self.module is not None:
            named = self.module.state_dict()
        else:
            named = {
                f"{NETWORK}.{name}": each for name, each in self.model.diffusion_model.state_dict().items()
            }
        return {name: each for name, each in named.items() if name.startswith(filter_prefix or "")}

    def set_model_compute_dtype(self, dtype: torch.dtype) -> None:
        """Compute in another type of numbers."""
        names = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}
        self.recipe = replace(self.recipe, settings=replace(self.recipe.settings, compute=names[dtype]))

    # --- around sampling ------------------------------------------------------------------------------------------------

    def pre_run(self) -> None:
        """A run begins."""
        for call in of_kind(self.callbacks, CallbacksMP.ON_PRE_RUN):
            call(self)

    def prepare_state(self, timestep: Tensor, model_options: Mapping[str, Any] | None = None) -> None:
        """An evaluation begins."""
        for call in of_kind(self.callbacks, CallbacksMP.ON_PREPARE_STATE):
            call(self, timestep, model_options)

    def cleanup(self) -> None:
        """A run has ended."""
        self.model_patches_call_function("cleanup")
        for call in of_kind(self.callbacks, CallbacksMP.ON_CLEANUP):
            call(self)

    def model_patches_to(self, device: Any) -> None:
        """Let patches that are objects move; what their `to` gives takes their place."""
        options = self.model_options
        for kept in self._patch_lists():
            for place, patch in enumerate(kept):
                if hasattr(patch, "to"):
                    kept[place] = patch.to(device)
        wrapper = options.get("model_function_wrapper")
        if wrapper is not None and hasattr(wrapper, "to"):
            options["model_function_wrapper"] = wrapper.to(device)

    def model_patches_models(self) -> list[Any]:
        """The models that patches bring along."""
        return [
            each for patch in self._patch_objects() if hasattr(patch, "models") for each in patch.models()
        ]

    def model_patches_call_function(
        self, function_name: str = "cleanup", arguments: Mapping[str, Any] | None = None
    ) -> None:
        """Call a method of all patches that have it."""
        for patch in self._patch_objects():
            if hasattr(patch, function_name):
                getattr(patch, function_name)(**(arguments or {}))

    def _patch_lists(self) -> list[Any]:
        return list((self.model_options["transformer_options"].get("patches") or {}).values())

    def _patch_objects(self) -> list[Any]:
        replaced = (self.model_options["transformer_options"].get("patches_replace") or {}).values()
        found = [patch for kept in self._patch_lists() for patch in kept]
        found += [patch for table in replaced for patch in table.values()]
        wrapper = self.model_options.get("model_function_wrapper")
        return found if wrapper is None else [*found, wrapper]

    # --- loading, which Weft's pool does ----------------------------------------------------------------------------------

    def load(self, device_to: Any = None, *_more: object, **_named: object) -> None:
        """Put a pack's own module on the device with its weights' changes; a recipe loads when it is used."""
        if self.module is not None:
            own_modules.put_weights(self, device_to)
        force = False
        for call in of_kind(self.callbacks, CallbacksMP.ON_LOAD):
            call(self, self.load_device if device_to is None else device_to, 0, force, not force)

    def patch_model(self, device_to: Any = None, *_more: object, **_named: object) -> Any:
        """The model, with parts, weights and injections on a pack's own module; of a recipe the pool puts them on."""
        if self.module is not None:
            own_modules.put_on(self, device_to)
        return self.model

    def unpatch_model(self, device_to: Any = None, unpatch_weights: bool = True) -> None:
        """A pack's own module as it was before; of a recipe the pool takes patches off."""
        if self.module is not None and unpatch_weights:
            own_modules.take_off(self, device_to)

    def partially_load(self, *_more: object, **_named: object) -> int:
        """Nothing is left to load."""
        return 0

    def partially_unload(self, *_more: object, **_named: object) -> int:
        """The pool lets go of weights itself."""
        return 0

    def detach(self, unpatch_all: bool = True) -> Any:
        """Packs' callbacks hear that it is let go."""
        if self.module is None:
            self.eject_model()
        else:
            self.unpatch_model(self.offload_device, unpatch_weights=unpatch_all)
        for call in of_kind(self.callbacks, CallbacksMP.ON_DETACH):
            call(self, unpatch_all)
        return self.model

    def inject_model(self) -> None:
        """Put packs' injections in."""
        for injections in self.injections.values():
            for injection in injections:
                injection.inject(self)
        self.is_injected = bool(self.injections)
        if self.injections:
            for call in of_kind(self.callbacks, CallbacksMP.ON_INJECT_MODEL):
                call(self)

    def eject_model(self) -> None:
        """Take them out."""
        for injections in self.injections.values():
            for injection in injections:
                injection.eject(self)
        self.is_injected = False
        if self.injections:
            for call in of_kind(self.callbacks, CallbacksMP.ON_EJECT_MODEL):
                call(self)

    @contextmanager
    def use_ejected(self, skip_and_inject_on_exit_only: bool = False) -> Any:
        """Without packs' injections until the block ends."""
        if not skip_and_inject_on_exit_only:
            self.eject_model()
        yield
        self.inject_model()


def again(patcher: Any) -> Any:
    """A copy that shares no container."""
    made = copy(patcher)
    made._inside = None  # noqa: SLF001 - of its own class
    made.is_injected = False
    for name in (*KEPT, *ALSO_KEPT):
        setattr(made, name, copied(getattr(patcher, name)))
    return made


Function = Callable[..., Any]
