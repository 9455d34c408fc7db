"""Diffusion as a library: tensors in, tensors out. Knows neither nodes nor graphs nor servers."""
