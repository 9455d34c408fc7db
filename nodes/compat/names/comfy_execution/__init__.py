"""`comfy_execution`: graphs that nodes return."""
