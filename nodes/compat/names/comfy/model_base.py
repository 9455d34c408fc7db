"""`comfy.model_base`: models by family, and what a network predicts."""

from nodes.compat.surgery.base_model import BASES, TYPES, BaseModel
from nodes.compat.surgery.model_sampling import (
    PREDICTIONS,
    ModelSamplingDiscrete,
    ModelSamplingDiscreteFlow,
)
from nodes.compat.surgery.model_type import ModelType
from nodes.diffusion.denoiser import Parametrisation

__all__ = ["BaseModel", "ModelType"]

globals().update(BASES)


def convert_tensor(extra, dtype, device):
    """A tensor of numbers in a type, anything else as it is."""
    if not hasattr(extra, "dtype"):
        return extra
    floating = extra.dtype.is_floating_point
    return extra.to(dtype=dtype, device=device) if floating else extra.to(device)


def model_sampling(model_config, model_type):
    """Noise levels and prediction for a kind of model."""
    kind = next((each for each, named in TYPES.items() if named is model_type), Parametrisation.EPS)
    flows = model_type in (ModelType.FLOW, ModelType.FLUX)
    predicts = PREDICTIONS[Parametrisation.FLOW if flows else kind]
    schedule = ModelSamplingDiscreteFlow if flows else ModelSamplingDiscrete
    return type("ModelSampling", (schedule, predicts), {})(model_config)
