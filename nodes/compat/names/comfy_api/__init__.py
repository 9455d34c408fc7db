"""`comfy_api`."""
