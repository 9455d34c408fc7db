"""`comfy.supported_models`: configurations of families, to be asked for with `isinstance`."""

from nodes.compat.surgery.families import CONFIGURATIONS

globals().update(CONFIGURATIONS)
models = list(CONFIGURATIONS.values())
