"""Between sounds and latents."""

from typing import Annotated

from nodes.builtin.audio import Heard
from nodes.builtin.kinds import LatentIn, LatentOut, VaeIn
from nodes.builtin.models import models
from nodes.builtin.vae import there
from nodes.diffusion.media import Audio
from nodes.diffusion.values import Latent
from nodes.spec import Context, NodeError, Out, node

CATEGORY = "latent/audio"
RATE = "sample_rate"


@node("VAEDecodeAudio", name="VAE Decode Audio", category=CATEGORY)
def vae_decode_audio(ctx: Context, samples: LatentIn, vae: VaeIn) -> Annotated[Audio, Out("AUDIO")]:
    """Latents to sounds. One that would be too loud is made quieter."""
    with models(ctx) as loaded:
        coder = loaded.sounds(there(vae))
        waveform = coder.decode(samples.samples)
    return Audio(waveform, _rate(samples, coder.rate))


@node("VAEEncodeAudio", name="VAE Encode Audio", category=CATEGORY)
def vae_encode_audio(ctx: Context, audio: Heard, vae: VaeIn) -> LatentOut:
    """Sounds to latents, at the VAE's sample rate. A sound of one channel stands for both."""
    with models(ctx) as loaded:
        return Latent(loaded.sounds(there(vae)).encode(audio))


def _rate(latent: Latent, usual: int) -> int:
    """Samples a second: what the latents say, else the VAE's."""
    said = latent.extra.get(RATE, usual)
    if not isinstance(said, int) or said < 1:
        raise NodeError(
            f"{RATE} of the latents is {said!r}.",
            "Look at what made them; it is a number of samples a second.",
        )
    return said


NODES = (vae_decode_audio, vae_encode_audio)
