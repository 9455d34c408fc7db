"""Modules of packs' own that they wrap in a patcher: on the device with their changes while in use, and as before after it.

Models of recipes are the pool's; these are nobody's else. All clones of a patcher share one module, so each that is put on
takes the one before it off. Only weak references are kept here: what a pack lets go of is gone.
"""

import weakref
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

TOLD = ("device", "current_patcher", "model_loaded_weight_memory", "model_lowvram")
UUID = "current_weight_patches_uuid"


class LoadedModel:
    """A patcher whose module is on its device."""

    currently_used = True

    def __init__(self, patcher: Any) -> None:
        self._patcher = weakref.ref(patcher)

    @property
    def model(self) -> Any:
        """The patcher, or None where nobody has it any more."""
        return self._patcher()

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return torch.device("cpu") if self.model is None else self.model.load_device

    def model_unload(self, *_more: object, **_named: object) -> bool:
        """Take it off its device."""
        if self.model is not None:
            self.model.detach()
        if self in LOADED:
            LOADED.remove(self)
        return True


LOADED: list[LoadedModel] = []  # the latest first


def known() -> list[LoadedModel]:
    """Those that somebody still has, the latest first."""
    LOADED[:] = [entry for entry in LOADED if entry.model is not None]
    return LOADED


def load(patchers: Iterable[Any]) -> None:
    """Put modules on their devices, with those that their patches bring; what is a recipe's loads when it is sampled."""
    for patcher in patchers:
        if hasattr(patcher, "model_patches_models"):
            load(patcher.model_patches_models())
        if not hasattr(patcher, "patch_model") or getattr(patcher, "module", None) is None:
            continue
        for entry in [*known()]:
            if entry.model is not patcher and entry.model.is_clone(patcher):
                LOADED.remove(entry)
        own = [entry for entry in known() if entry.model is patcher]
        patcher.patch_model(patcher.load_device)
        LOADED[:] = [*(own or [LoadedModel(patcher)]), *(entry for entry in known() if entry not in own)]


def unload(entries: Sequence[LoadedModel], keep: Sequence[Any] = ()) -> list[LoadedModel]:
    """Take modules off their devices, but those in `keep` (patchers or `LoadedModel`s). Gives those that were taken off."""
    taken = [entry for entry in entries if entry not in keep and entry.model not in keep]
    for entry in taken:
        entry.model_unload()
    return taken


def put_on(patcher: Any, device: Any = None) -> None:
    """Put a patcher's parts, weights and injections on its module, in place of those of the patcher before it."""
    module = patcher.module
    before = getattr(module, "current_patcher", None)
    if before is patcher and getattr(module, UUID, None) is patcher.patches_uuid:
        _move(module, device)
        return
    if before is not None:
        before.unpatch_model()
    restore(patcher)  # of a patcher that is gone
    for name, part in patcher.object_patches.items():
        patcher.object_patches_backup[name] = exchange(module, name, part)
    patcher.load(device)
    patcher.inject_model()


def put_weights(patcher: Any, device: Any) -> None:
    """Move the module and put changes on its weights."""
    module = patcher.module
    _move(module, device)
    for name in patcher.patches:
        patcher.patch_weight_to_device(name, device)
    told = (patcher.load_device if device is None else device, patcher, 0, False)
    for name, value in zip((*TOLD, UUID), (*told, patcher.patches_uuid), strict=True):
        if not hasattr(type(module), name):  # a class's own `device` stays
            setattr(module, name, value)


def put_weight(patcher: Any, name: str) -> None:
    """Put the changes of one weight on.

    Raises:
        RuntimeError: a change is of another shape.
    """
    weight = found(patcher.module, name)
    own = patcher.backup.setdefault(name, weight.detach().clone())
    try:
        made = patcher.calculate_weight(patcher.patches.get(name, []), own.to(weight.device).float(), name)
        with torch.no_grad():
            weight.copy_(made)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        shape = " x ".join(map(str, own.shape))
        raise RuntimeError(f"A patch does not fit the weight {name!r}, which is {shape}: {error}") from error


def restore(patcher: Any) -> None:
    """Weights and parts as they were before a patcher of this module put its own on."""
    module = patcher.module
    with torch.no_grad():
        for name, weight in patcher.backup.items():
            found(module, name).copy_(weight)
    patcher.backup.clear()
    for name, part in patcher.object_patches_backup.items():
        exchange(module, name, part)
    patcher.object_patches_backup.clear()


def take_off(patcher: Any, device: Any = None) -> None:
    """Injections out, weights and parts as before; moved where `device` says."""
    module = patcher.module
    if getattr(module, "current_patcher", None) is patcher:
        patcher.eject_model()
        restore(patcher)
        for name in ("current_patcher", UUID):
            setattr(module, name, None)
    _move(module, device)


def found(module: Any, name: str) -> Any:
    """A part by its dotted name."""
    for part in name.split("."):
        module = getattr(module, part)
    return module


def exchange(module: Any, name: str, value: Any) -> Any:
    """Put something in a part's place. Gives what stood there."""
    *path, last = name.split(".")
    owner = found(module, ".".join(path)) if path else module
    before = getattr(owner, last)
    if isinstance(owner, nn.Module) and isinstance(before, nn.Module) and not isinstance(value, nn.Module):
        delattr(owner, last)  # torch keeps a child's place for modules
    setattr(owner, last, value)
    return before


def weights_of(patcher: Any) -> dict[str, Tensor]:
    """The module's weights as they are without changes."""
    return {**patcher.model_state_dict(), **patcher.backup}


def _move(module: Any, device: Any) -> None:
    if device is None or not isinstance(module, nn.Module):
        return
    first = next(module.parameters(), None)
    if first is None or first.device != torch.device(device):
        module.to(device)
