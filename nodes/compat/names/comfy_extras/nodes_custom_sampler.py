"""`comfy_extras.nodes_custom_sampler`: start noise as packs make it."""

from nodes.compat.names.comfy import sample


class Noise_RandomNoise:
    def __init__(self, seed):
        self.seed = seed

    def generate_noise(self, input_latent):
        return sample.prepare_noise(input_latent["samples"], self.seed, input_latent.get("batch_index"))


class Noise_EmptyNoise:
    def __init__(self):
        self.seed = 0

    def generate_noise(self, input_latent):
        return sample.prepare_empty_noise(input_latent["samples"])
