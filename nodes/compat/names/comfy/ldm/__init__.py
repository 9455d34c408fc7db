"""`comfy.ldm`: parts of networks that stand alone."""
