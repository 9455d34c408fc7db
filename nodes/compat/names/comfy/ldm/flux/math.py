"""`comfy.ldm.flux.math`: places as rotations."""


def apply_rope1(x, freqs_cis):
    pairs = x.to(freqs_cis.dtype).reshape(*x.shape[:-1], -1, 1, 2)
    turned = freqs_cis[..., 0] * pairs[..., 0] + freqs_cis[..., 1] * pairs[..., 1]
    return turned.reshape(*x.shape).type_as(x)


def apply_rope(xq, xk, freqs_cis):
    """Queries and keys [... width], each pair of numbers turned by its matrix [... width/2 2 2]."""
    return apply_rope1(xq, freqs_cis), apply_rope1(xk, freqs_cis)
