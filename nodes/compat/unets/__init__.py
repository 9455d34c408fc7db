"""U-Nets in the field's form: layers that packs build from and derive from, and our own networks seen through them."""
