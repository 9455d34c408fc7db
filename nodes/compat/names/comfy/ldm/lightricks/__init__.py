"""`comfy.ldm.lightricks`."""
