"""Videos of Wan from pictures: what latents, masks and conditions hold, with a small autoencoder of Wan's own build."""

from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from nodes.builtin import all_nodes
from nodes.diffusion.latent_formats import latent_format
from nodes.diffusion.media import Tracks
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import CheckpointRef, Cond, Vae
from nodes.diffusion.vision_values import ClipVision, ClipVisionOutput
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings
from tests.diffusion.models.test_autoencoders import AutoencoderKLWan, wan

NODES: dict[str, Any] = {entry.spec.id: entry for entry in all_nodes()}
COND = (Cond(torch.zeros(1, 2, 4)),)
SIZE = {"width": 32, "height": 16, "length": 9}
SPACE = (3, 2, 4)  # latent frames, height, width
VIEW = ClipVisionOutput(None, torch.zeros(1, 3, 8), torch.ones(1, 3, 8))


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Surroundings:
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "models" / "vae").mkdir(parents=True)
    save_file(wan(AutoencoderKLWan).state_dict(), folder / "models" / "vae" / "wan.safetensors")
    placement = Placement(torch.device("cpu"), torch.float32, torch.float32)
    return Surroundings(Workspace(folder), {Pool: Pool(placement, 2**30), ContentHashes: ContentHashes()})


@pytest.fixture(scope="module")
def vae(around: Surroundings) -> Vae:
    return NODES["VAELoader"].run(around, vae_name="wan.safetensors")


def frames(count: int) -> Tensor:
    return torch.rand(count, 16, 32, 3, generator=torch.Generator().manual_seed(count))


def encoded(around: Surroundings, vae: Vae, video: Tensor) -> Tensor:
    with around.resources[Pool].session(lambda: None) as loaded:  # type: ignore[attr-defined]
        return loaded.vae(vae).encode_video(video)


def in_gray(start: Tensor, end: Tensor | None = None) -> Tensor:
    video = torch.full((9, 16, 32, 3), 0.5)
    video[: len(start)] = start
    if end is not None:
        video[-len(end) :] = end
    return video


def run(around: Surroundings, vae: Vae, id: str, **more: Any) -> Any:
    return NODES[id].run(around, positive=COND, negative=COND, vae=vae, **{**SIZE, **more})


def test_a_video_is_encoded_as_one(around: Surroundings, vae: Vae):
    video = frames(9)
    whole = encoded(around, vae, video)
    assert whole.shape == (1, 16, *SPACE)
    assert torch.allclose(whole[:, :, :1], encoded(around, vae, video[:1]), atol=1e-5)
    assert not torch.allclose(whole[:, :, 1:2], encoded(around, vae, video[4:5]), atol=1e-2)


@pytest.mark.parametrize(
    "id", ["WanImageToVideo", "WanCameraImageToVideo", "WanPhantomSubjectToVideo", "WanFunControlToVideo"]
)
def test_without_pictures_there_is_an_empty_video(around: Surroundings, vae: Vae, id: str):
    positive, *_, latent = run(around, vae, id, batch_size=2)
    assert latent.samples.shape == (2, 16, *SPACE) and not latent.samples.any()
    told = positive[0].extra.get("concat_latent_image")
    assert (told is not None) == (id == "WanFunControlToVideo")
    if isinstance(told, Tensor):
        assert (
            told.shape == (2, 32, *SPACE)
            and not latent_format("Wan21").to_model(told[:, :16]).abs().max() > 1e-5
        )


def test_a_start_goes_on_in_gray_and_is_marked_as_known(around: Surroundings, vae: Vae):
    positive, negative, _ = run(
        around, vae, "WanImageToVideo", start_image=frames(5), clip_vision_output=VIEW
    )
    told = positive[0].extra
    assert torch.allclose(told["concat_latent_image"], encoded(around, vae, in_gray(frames(5))), atol=1e-5)
    assert told["concat_mask"].shape == (1, 1, *SPACE)
    assert told["concat_mask"].amax((0, 1, 3, 4)).tolist() == [0, 0, 1]
    assert told["clip_vision_output"] is VIEW and negative[0].extra.keys() == told.keys()


def test_both_ends_are_known_frame_by_frame(around: Surroundings, vae: Vae):
    ends = {"start_image": frames(1), "end_image": frames(2)}
    more = {"clip_vision_start_image": VIEW, "clip_vision_end_image": VIEW}
    positive, _, latent = run(around, vae, "WanFirstLastFrameToVideo", **ends, **more)
    told = positive[0].extra
    video = in_gray(frames(1), frames(2))
    assert torch.allclose(told["concat_latent_image"], encoded(around, vae, video), atol=1e-5)
    assert told["concat_mask"][0, :, :, 0, 0].T.tolist() == [[0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 0, 0]]
    assert told["clip_vision_output"].penultimate_hidden_states.shape == (1, 6, 8)
    assert latent.samples.shape == (1, 16, *SPACE)
    same = run(around, vae, "WanFunInpaintToVideo", **ends)[0][0].extra
    assert torch.equal(same["concat_mask"], told["concat_mask"])


def test_a_control_video_comes_before_the_start(around: Surroundings, vae: Vae):
    given = {"control_video": frames(9), "start_image": frames(1)}
    told = run(around, vae, "WanFunControlToVideo", **given)[0][0].extra["concat_latent_image"]
    assert torch.allclose(told[:, :16], encoded(around, vae, frames(9)), atol=1e-5)
    assert torch.allclose(told[:, 16:, :1], encoded(around, vae, frames(1)), atol=1e-5)
    other = {"control_video": frames(9), "ref_image": frames(1)}
    later = run(around, vae, "Wan22FunControlToVideo", **other)[1][0].extra
    assert later["concat_mask_index"] == 16 and later["concat_mask"].shape == (1, 4, *SPACE)
    assert torch.allclose(later["reference_latents"][0], encoded(around, vae, frames(1)), atol=1e-5)


def test_a_camera_and_subjects_are_told(around: Surroundings, vae: Vae):
    camera = torch.ones(1, 24, 3, 16, 32)
    positive, _, _ = run(
        around, vae, "WanCameraImageToVideo", start_image=frames(1), camera_conditions=camera
    )
    told = positive[0].extra
    assert told["camera_conditions"] is camera
    assert told["concat_mask"][0, :, :, 0, 0].T.tolist() == [[0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]]
    positive, text, both, _ = run(around, vae, "WanPhantomSubjectToVideo", images=frames(2))
    shown = positive[0].extra["time_dim_concat"]
    each = [encoded(around, vae, frames(2)[place : place + 1]) for place in range(2)]
    assert torch.allclose(shown, torch.cat(each, 2), atol=1e-5)
    assert torch.equal(text[0].extra["time_dim_concat"], shown)
    assert not torch.allclose(both[0].extra["time_dim_concat"], shown)


def test_what_lies_where_a_track_begins_is_carried_along(around: Surroundings, vae: Vae):
    path = torch.tensor([[[4.0, 4.0]]] * 4 + [[[12.0, 4.0]]] + [[[99.0, 4.0]]] * 4)
    tracks = Tracks(path, torch.ones(9, 1, dtype=torch.bool))
    plain = run(around, vae, "WanMoveTrackToVideo", start_image=frames(1))[0][0].extra["concat_latent_image"]
    moved = run(around, vae, "WanMoveTrackToVideo", start_image=frames(1), tracks=tracks)
    made = moved[0][0].extra["concat_latent_image"]
    assert torch.allclose(made[:, :, 1, 0, 1], plain[:, :, 0, 0, 0], atol=1e-5)
    assert int((made != plain).any(1).sum()) == 1
    assert torch.equal(moved[1][0].extra["concat_latent_image"], made)
    with pytest.raises(NodeError, match="batch_size is 2"):
        run(around, vae, "WanMoveTrackToVideo", start_image=frames(1), tracks=tracks, batch_size=2)


def test_an_edited_video_is_told_in_two_parts_by_its_mask(around: Surroundings, vae: Vae):
    mask = torch.zeros(9, 16, 32)
    mask[:, 3, 9] = 1.0
    given = {"control_video": frames(9), "control_masks": mask, "reference_image": frames(1), "strength": 0.5}
    positive, _, latent, more = run(around, vae, "WanVaceToVideo", **given)
    told = positive[0].extra
    (shown,), (blocks,) = told["vace_frames"], told["vace_mask"]
    assert more == 1 and told["vace_strength"] == [0.5]
    assert latent.samples.shape == (1, 16, 4, 2, 4) and shown.shape == (1, 32, 4, 2, 4)
    kept = (frames(9) - 0.5) * (1 - mask[..., None]) + 0.5
    assert torch.allclose(shown[:, :16, 1:], encoded(around, vae, kept), atol=1e-5)
    assert blocks.shape == (1, 64, 4, 2, 4) and not blocks[:, :, 0].any()
    assert blocks[0, :, 1].nonzero().tolist() == [[3 * 8 + 1, 0, 1]]


def test_somebody_acts_part_after_part(around: Surroundings, vae: Vae):
    given = {"reference_image": frames(1), "pose_video": frames(12), "continue_motion": frames(9)}
    positive, negative, latent, trim, skip, offset = run(
        around, vae, "WanAnimateToVideo", **given, face_video=frames(12), video_frame_offset=9
    )
    told = positive[0].extra
    assert (trim, skip, offset) == (1, 5, 4 + 9)
    assert latent.samples.shape == (1, 16, 4, 2, 4) and told["concat_latent_image"].shape == (1, 16, 4, 2, 4)
    assert told["concat_mask"].amax((0, 1, 3, 4)).tolist() == [0, 0, 0, 1]
    pose = torch.cat((frames(12)[4:], frames(12)[-1:]))
    assert torch.allclose(told["pose_video_latent"], encoded(around, vae, pose), atol=1e-5)
    assert told["face_video_pixels"].shape == (1, 3, 8, 512, 512)
    assert (negative[0].extra["face_video_pixels"] == -1).all()


def test_a_sound_is_heard_in_windows(around: Surroundings, vae: Vae):
    positive, _, latent = run(around, vae, "WanHuMoImageToVideo")
    assert positive[0].extra["audio_embed"].shape == (1, 4, 8, 5, 1280)
    assert positive[0].extra["reference_latents"][0].shape == (1, 16, 1, 2, 4)
    steps = torch.arange(1.0, 41.0)[None, :, None].expand(1, 40, 1280)
    heard = {"encoded_audio_all_layers": [steps] * 33, "audio_samples": 640 * 20}
    told = run(around, vae, "WanHuMoImageToVideo", audio_encoder_output=heard, ref_image=frames(1))[0][
        0
    ].extra
    assert told["audio_embed"].shape == (1, 3, 8, 5, 1280) and latent.samples.shape == (1, 16, *SPACE)
    half = torch.linspace(1, 40, 20)
    wanted = [[0, 0, 0, 0, 0, *half[:3]], [0, *half[:7]], half[3:11]]
    assert torch.allclose(
        told["audio_embed"][0, :, :, 0, 0], torch.stack([torch.as_tensor(w) for w in wanted]), atol=1e-4
    )


def test_a_spoken_video_goes_on_from_a_motion(around: Surroundings, vae: Vae):
    positive, _, latent = run(around, vae, "WanSoundImageToVideo", ref_image=frames(1), ref_motion=frames(3))
    told = positive[0].extra
    assert told["reference_motion"].shape == (1, 16, 19, 2, 4) and len(told["reference_latents"]) == 1
    assert told["control_video"].shape == latent.samples.shape == (1, 16, *SPACE)
    more = NODES["WanSoundImageToVideoExtend"].run(
        around, positive=COND, negative=COND, vae=vae, length=9, video_latent=latent, control_video=frames(9)
    )
    assert torch.equal(more[0][0].extra["reference_motion"], latent.samples)
    assert torch.allclose(more[1][0].extra["control_video"], encoded(around, vae, frames(9)), atol=1e-5)
    with pytest.raises(NodeError, match="not heard yet"):
        run(around, vae, "WanSoundImageToVideo", audio_encoder_output={})


def test_tracks_in_words_are_not_followed_and_that_is_said(around: Surroundings, vae: Vae):
    told = run(around, vae, "WanTrackToVideo", tracks="[]", start_image=frames(1))[0][0].extra
    assert told["concat_mask"].amax((0, 1, 3, 4)).tolist() == [0, 1, 1]
    with pytest.raises(NodeError, match="not followed yet"):
        run(around, vae, "WanTrackToVideo", tracks='[{"x": 1}]', start_image=frames(1))


def test_the_small_model_of_wan_22_starts_with_48_channels(around: Surroundings, vae: Vae):
    empty = NODES["Wan22ImageToVideoLatent"].run(around, vae=vae, width=64, height=32, length=9, batch_size=3)
    assert empty.samples.shape == (1, 48, 3, 2, 4) and empty.noise_mask is None
    with pytest.raises(NodeError, match="VAE gives 16 channels"):
        NODES["Wan22ImageToVideoLatent"].run(
            around, vae=vae, width=64, height=32, length=9, start_image=frames(1)
        )


def test_views_from_elsewhere_are_told_by_angles(
    around: Surroundings, vae: Vae, monkeypatch: pytest.MonkeyPatch
):
    seen = torch.arange(768.0)[None, None]
    monkeypatch.setattr("nodes.builtin.views._seen", lambda *_: seen)
    vision = ClipVision(CheckpointRef(around.files.root, "x"))
    given = {"clip_vision": vision, "init_image": frames(1), "vae": vae, "width": 32, "height": 16}
    positive, negative, latent = NODES["StableZero123_Conditioning_Batched"].run(
        around, **given, batch_size=3, azimuth=0.0, azimuth_batch_increment=90.0, elevation=30.0
    )
    assert positive[0].context.shape == (3, 1, 772) and negative[0].context.shape == (3, 1, 768)
    camera = positive[0].context[:, 0, 768:]
    wanted = [[-torch.pi / 6, s, c, torch.pi / 2] for s, c in ((0, 1), (1, 0), (0, -1))]
    assert torch.allclose(camera, torch.tensor(wanted), atol=1e-6)
    assert latent.batch_index == (0, 0, 0) and latent.samples.shape == (3, 4, 2, 4)
    around_it = NODES["SV3D_Conditioning"].run(around, **given, video_frames=5, elevation=10.0)
    assert around_it[0][0].extra["azimuth"] == [0, 90, 180, 270, 360]
    assert torch.equal(around_it[0][0].context, seen) and not around_it[1][0].context.any()
    film = NODES["SVD_img2vid_Conditioning"].run(around, **given, video_frames=5, augmentation_level=0.1)
    again = NODES["SVD_img2vid_Conditioning"].run(around, **given, video_frames=5, augmentation_level=0.1)
    shown = film[0][0].extra["concat_latent_image"]
    assert torch.equal(shown, again[0][0].extra["concat_latent_image"])
    assert film[0][0].extra["fps"] == 6 and not film[1][0].extra["concat_latent_image"].any()
