"""Modules under the names that packs import. Their shapes are the field's, not ours."""
