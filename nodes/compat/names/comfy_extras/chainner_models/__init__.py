"""`comfy_extras.chainner_models`."""
