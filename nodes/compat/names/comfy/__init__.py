"""`comfy`, as far as packs find it here."""
