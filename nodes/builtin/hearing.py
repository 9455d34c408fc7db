"""Sounds that steer by their content: networks that hear, for videos of people who speak."""

from typing import Annotated

from nodes.builtin.audio import Heard
from nodes.builtin.loaders import content_of
from nodes.builtin.models import models, reference, told
from nodes.diffusion.hearing_values import AudioEncoder, AudioEncoderOutput
from nodes.diffusion.models.detect import Part
from nodes.diffusion.models.hearing import find_hearing, load_hearing
from nodes.spec import Combo, Context, Out, Socket, node


@node(
    "AudioEncoderLoader", category="loaders", change_token=content_of("audio_encoders", "audio_encoder_name")
)
def audio_encoder_loader(
    ctx: Context,
    audio_encoder_name: Annotated[
        str, Combo(folder="audio_encoders", bare=False, extra={"multiselect": False})
    ],
) -> Annotated[AudioEncoder, Out("AUDIO_ENCODER")]:
    """A network that hears what is in a sound: wav2vec 2.0, or Whisper's encoder."""
    file = reference(ctx, "audio_encoders", audio_encoder_name)
    with told():
        find_hearing(file.path)  # so that a file of another kind is named here, not at the first sound
    return AudioEncoder(file)


@node("AudioEncoderEncode", category="conditioning")
def audio_encoder_encode(
    ctx: Context, audio_encoder: Annotated[AudioEncoder, Socket("AUDIO_ENCODER")], audio: Heard
) -> Annotated[AudioEncoderOutput, Out("AUDIO_ENCODER_OUTPUT")]:
    """What an audio encoder hears in a sound."""
    with models(ctx) as loaded:
        return loaded.beside(Part.AUDIO, audio_encoder.checkpoint, load_hearing).read(audio)


NODES = (audio_encoder_loader, audio_encoder_encode)
