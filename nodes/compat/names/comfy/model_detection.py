"""`comfy.model_detection`: where a network's weights lie in a file."""

from collections import Counter

PREFIXES = ("model.diffusion_model.", "model.model.", "net.")
ENOUGH = 5  # weights below a prefix that make it one


def unet_prefix_from_state_dict(state_dict):
    counts = Counter(prefix for name in state_dict for prefix in PREFIXES if name.startswith(prefix))
    best = max(PREFIXES, key=lambda prefix: counts[prefix])
    return best if counts[best] > ENOUGH else "model."
