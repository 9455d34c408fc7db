"""`comfy.patcher_extension`: functions around functions, kept by kind and key."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class WrappersMP(StrEnum):
    OUTER_SAMPLE = "outer_sample"
    PREPARE_SAMPLING = "prepare_sampling"
    SAMPLER_SAMPLE = "sampler_sample"
    PREDICT_NOISE = "predict_noise"
    CALC_COND_BATCH = "calc_cond_batch"
    APPLY_MODEL = "apply_model"
    DIFFUSION_MODEL = "diffusion_model"


class CallbacksMP(StrEnum):
    ON_CLONE = "on_clone"
    ON_LOAD = "on_load_after"
    ON_DETACH = "on_detach_after"
    ON_CLEANUP = "on_cleanup"
    ON_PRE_RUN = "on_pre_run"
    ON_PREPARE_STATE = "on_prepare_state"
    ON_APPLY_HOOKS = "on_apply_hooks"
    ON_REGISTER_ALL_HOOK_PATCHES = "on_register_all_hook_patches"
    ON_INJECT_MODEL = "on_inject_model"
    ON_EJECT_MODEL = "on_eject_model"
    ON_DEEPCLONE_MULTIGPU = "on_deepclone_multigpu"
    ON_MATCH_MULTIGPU_CLONES = "on_match_multigpu_clones"


@dataclass
class PatcherInjection:
    inject: Callable
    eject: Callable


class WrapperExecutor:
    """A call on its way through wrappers: the first registered is outermost, and each goes on by calling this."""

    def __init__(self, original, class_obj, wrappers, idx=0):
        self.original = original
        self.class_obj = class_obj
        self.wrappers = list(wrappers)
        self.idx = idx
        self.is_last = idx == len(self.wrappers)

    def __call__(self, *args, **kwargs):
        return self._next().execute(*args, **kwargs)

    def execute(self, *args, **kwargs):
        if self.is_last:
            return self.original(*args, **kwargs)
        return self.wrappers[self.idx](self, *args, **kwargs)

    def _next(self):
        return type(self)(self.original, self.class_obj, self.wrappers, self.idx + 1)

    @classmethod
    def new_executor(cls, original, wrappers, idx=0):
        return cls(original, None, wrappers, idx)

    @classmethod
    def new_class_executor(cls, original, class_obj, wrappers, idx=0):
        return cls(original, class_obj, wrappers, idx)


def _kept(kind, transformer_options, is_model_options):
    options = (
        transformer_options.setdefault("transformer_options", {}) if is_model_options else transformer_options
    )
    return options.setdefault(kind, {})


def add_wrapper(wrapper_type, wrapper, transformer_options, is_model_options=False):
    add_wrapper_with_key(wrapper_type, None, wrapper, transformer_options, is_model_options)


def add_wrapper_with_key(wrapper_type, key, wrapper, transformer_options, is_model_options=False):
    kept = _kept("wrappers", transformer_options, is_model_options)
    kept.setdefault(wrapper_type, {}).setdefault(key, []).append(wrapper)


def get_wrappers_with_key(wrapper_type, key, transformer_options, is_model_options=False):
    return list(_kept("wrappers", transformer_options, is_model_options).get(wrapper_type, {}).get(key, []))


def get_all_wrappers(wrapper_type, transformer_options, is_model_options=False):
    by_key = _kept("wrappers", transformer_options, is_model_options).get(wrapper_type, {})
    return [wrapper for kept in by_key.values() for wrapper in kept]


def add_callback(call_type, callback, transformer_options, is_model_options=False):
    add_callback_with_key(call_type, None, callback, transformer_options, is_model_options)


def add_callback_with_key(call_type, key, callback, transformer_options, is_model_options=False):
    kept = _kept("callbacks", transformer_options, is_model_options)
    kept.setdefault(call_type, {}).setdefault(key, []).append(callback)


def get_callbacks_with_key(call_type, key, transformer_options, is_model_options=False):
    return list(_kept("callbacks", transformer_options, is_model_options).get(call_type, {}).get(key, []))


def get_all_callbacks(call_type, transformer_options, is_model_options=False):
    by_key = _kept("callbacks", transformer_options, is_model_options).get(call_type, {})
    return [callback for kept in by_key.values() for callback in kept]


def copy_nested_dicts(input_dict):
    """A copy whose dicts and lists are copies too."""
    return {
        key: copy_nested_dicts(value)
        if isinstance(value, dict)
        else value.copy()
        if isinstance(value, list)
        else value
        for key, value in input_dict.items()
    }


def merge_nested_dicts(dict1, dict2, copy_dict1=True):
    """Both in one: dicts merged, lists joined, else the second one's value."""
    merged = copy_nested_dicts(dict1) if copy_dict1 else dict1
    for key, value in dict2.items():
        if isinstance(value, dict):
            merged[key] = merge_nested_dicts(merged.get(key, {}), value, copy_dict1=False)
        elif isinstance(value, list):
            merged[key] = [*merged.get(key, []), *value]
        else:
            merged[key] = value
    return merged
