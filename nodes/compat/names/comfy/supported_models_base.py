"""`comfy.supported_models_base`: what a model was made with."""

from nodes.compat.surgery.families import Configuration as BASE

__all__ = ["BASE"]
