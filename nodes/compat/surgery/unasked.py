"""What a patcher is asked for that Weft's pool does by itself, and what it cannot do, which is refused by name."""

import sys
from collections.abc import Callable
from typing import Any

from nodes.compat.hooks import EnumHookMode
from nodes.compat.standing import refuse


def _refused(name: str) -> Callable[..., Any]:
    def method(self: Any, *_given: object, **_named: object) -> None:
        refuse(f"ModelPatcher.{name}", self)

    method.__name__ = name
    return method


class Unasked:
    """Hooks are a conditioning's here and the pool pins memory, so nothing of either is ever left on a patcher."""

    current_hooks: Any = None
    forced_hooks: Any = None
    hook_mode: Any = EnumHookMode.MaxSpeed
    force_cast_weights = False
    skip_injection = False
    cached_patcher_init: Any = None
    is_multigpu_base_clone = False
    clone_base_uuid: Any = None

    def set_hook_mode(self, hook_mode: Any) -> None:
        """Which of memory and time hooks are to spare; kept for who reads it."""
        self.hook_mode = hook_mode

    def get_free_memory(self, device: Any) -> int:
        """Bytes that are free on a device."""
        return sys.modules["comfy.model_management"].get_free_memory(device)

    def apply_hooks(self, hooks: Any, transformer_options: Any = None, force_apply: bool = False) -> Any:
        """Without hooks nothing changes.

        Raises:
            NotOffered: there are some; they act through conditionings here.
        """
        del transformer_options, force_apply
        return refuse("ModelPatcher.apply_hooks", hooks) if hooks else {}

    def patch_hooks(self, hooks: Any) -> None:
        """As `apply_hooks`."""
        self.apply_hooks(hooks)

    def unpatch_hooks(self, whitelist_keys_set: Any = None) -> None:
        """No hook's weights are on it."""

    def restore_hook_patches(self) -> None:
        """No hook's weights are on it."""

    def clear_cached_hook_weights(self) -> None:
        """None are kept."""

    def clean_hooks(self) -> None:
        """None are on it."""

    def pin_weight_to_device(self, key: str) -> None:
        """The pool pins what it moves."""

    def unpin_weight(self, key: str) -> None:
        """The pool pins what it moves."""

    def unpin_all_weights(self) -> None:
        """The pool pins what it moves."""

    def pinned_memory_size(self) -> int:
        """Bytes that are pinned by packs."""
        return 0

    def partially_unload_ram(self, ram_to_unload: int) -> int:
        """Bytes that it let go of: the pool does so itself."""
        del ram_to_unload
        return 0

    def match_multigpu_clones(self) -> None:
        """There are none."""

    register_all_hook_patches = _refused("register_all_hook_patches")
    add_hook_patches = _refused("add_hook_patches")
    get_combined_hook_patches = _refused("get_combined_hook_patches")
    patch_hook_weight_to_device = _refused("patch_hook_weight_to_device")
    patch_cached_hook_weights = _refused("patch_cached_hook_weights")
    prepare_hook_patches_current_keyframe = _refused("prepare_hook_patches_current_keyframe")
    add_weight_wrapper = _refused("add_weight_wrapper")
    deepclone_multigpu = _refused("deepclone_multigpu")
