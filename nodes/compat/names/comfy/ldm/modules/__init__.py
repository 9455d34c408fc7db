"""`comfy.ldm.modules`."""
