"""`comfy.supported_models`: no classes of the field's are here; Weft's families are rows of its own."""

models = []
