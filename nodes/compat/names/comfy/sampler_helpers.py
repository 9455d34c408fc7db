"""`comfy.sampler_helpers`: conditioning as samplers of the field take it, and what a run needs beside the model."""

from nodes.compat.names.comfy import utils
from nodes.compat.surgery.extension import WrapperExecutor, WrappersMP, get_all_wrappers, merge_nested_dicts
from nodes.compat.surgery.rules import convert_cond

__all__ = ["convert_cond"]


def prepare_mask(noise_mask, shape, device):
    """A mask of pixels at the shape of latents [batch channel *sides]."""
    return utils.reshape_mask(noise_mask, shape).to(device)


def get_models_from_cond(cond, model_type):
    """What conditions bring along under a name, each once."""
    found = []
    for each in cond:
        brought = each.get(model_type)
        listed = brought if isinstance(brought, list) else [brought]
        found += [one for one in listed if one is not None and one not in found]
    return found


def get_additional_models(conds, dtype):
    """(patchers that conditions bring along, bytes that they take while they compute)."""
    models, memory = [], 0
    for side in conds.values():
        for control in get_models_from_cond(side or [], "control"):
            models += control.get_models() if hasattr(control, "get_models") else []
            if hasattr(control, "inference_memory_requirements"):
                memory += control.inference_memory_requirements(dtype)
        models += [entry[1] for entry in get_models_from_cond(side or [], "gligen")]
        models += get_models_from_cond(side or [], "additional_models")
    return models, memory


def cleanup_additional_models(models):
    """Those that have something to put away do it."""
    for model in models:
        if hasattr(model, "cleanup"):
            model.cleanup()


def cleanup_models(conds, models):
    """A run is over."""
    cleanup_additional_models(models)
    for side in conds.values():
        cleanup_additional_models(get_models_from_cond(side or [], "control"))


def run_options(model, options):
    """Options of a run: those of the model with its wrappers and callbacks."""
    more = {"wrappers": model.wrappers, "callbacks": model.callbacks}
    return merge_nested_dicts({"transformer_options": {}, **options}, {"transformer_options": more})


def prepare_sampling(
    model, noise_shape, conds, model_options=None, force_full_load=False, force_offload=False
):
    """(the model inside, conditions, further models), loaded for a run."""
    wrappers = get_all_wrappers(WrappersMP.PREPARE_SAMPLING, dict(model_options or {}), is_model_options=True)
    executor = WrapperExecutor.new_executor(_prepared, wrappers)
    return executor.execute(
        model,
        noise_shape,
        conds,
        model_options=model_options,
        force_full_load=force_full_load,
        force_offload=force_offload,
    )


def _prepared(model, noise_shape, conds, model_options=None, force_full_load=False, force_offload=False):
    models, _memory = get_additional_models(conds, None)
    model.load()
    return model.model, conds, models
