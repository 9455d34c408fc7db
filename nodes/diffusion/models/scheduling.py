"""How a network was trained: what it predicts, on which noise levels. Said by a folder's scheduler or a file's flags."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nodes.diffusion.continuous_levels import EdmLevels
from nodes.diffusion.denoiser import Parametrisation
from nodes.diffusion.errors import CheckpointUnreadable
from nodes.diffusion.models.files import Shape, read_json
from nodes.diffusion.noise_levels import NoiseLevels, from_betas, linear_betas, scaled_linear_betas
from nodes.diffusion.resembling import Seen

PREDICTIONS = {"epsilon": Parametrisation.EPS, "v_prediction": Parametrisation.V}


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """How a network was trained.

    Attributes:
        latents: name of another latent format than its family's; empty: the family's.
        seen: how it was shown pictures; None: it was not.
    """

    parametrisation: Parametrisation
    levels: NoiseLevels
    latents: str = ""
    seen: Seen | None = None


def of_file(shapes: Mapping[str, Shape]) -> Training:
    """Of a single file of the Stable Diffusion families, by tensors that are flags; without them it predicts the noise.

    `v_pred` is for velocity, `ztsnr` for levels that reach pure noise; `edm_mean` and `edm_std` are Playground 2.5's
    (Li et al. 2024, arXiv:2402.17245), `edm_vpred.sigma_max` says velocity over levels without a table.
    """
    if "edm_mean" in shapes and "edm_std" in shapes:
        return Training(Parametrisation.EDM, EdmLevels(), "SDXL_Playground_2_5")
    if "edm_vpred.sigma_max" in shapes:
        return Training(Parametrisation.V, EdmLevels())
    kind = Parametrisation.V if "v_pred" in shapes else Parametrisation.EPS
    return Training(kind, from_betas(scaled_linear_betas(), zero_terminal_snr="ztsnr" in shapes))


def of_folder(folder: Path) -> Training:
    """Of a model's folder; without a scheduler it is Stable Diffusion 1's.

    Raises:
        CheckpointUnreadable: its scheduler is of a kind that is not known.
    """
    path = folder / "scheduler" / "scheduler_config.json"
    said: Mapping[str, Any] = read_json(path) if path.is_file() else {}
    prediction = said.get("prediction_type", "epsilon")
    kind = PREDICTIONS.get(prediction)
    if kind is None:
        raise CheckpointUnreadable(
            path, f"it predicts {prediction!r}", "Weft knows epsilon and v_prediction."
        )
    zero_snr = bool(said.get("rescale_betas_zero_snr", False))
    return Training(kind, from_betas(_betas(said, path), zero_terminal_snr=zero_snr))


def _betas(said: Mapping[str, Any], path: Path) -> torch.Tensor:
    if said.get("trained_betas"):
        return torch.tensor(said["trained_betas"], dtype=torch.float64)
    start, end = float(said.get("beta_start", 0.00085)), float(said.get("beta_end", 0.012))
    steps, shape = int(said.get("num_train_timesteps", 1000)), said.get("beta_schedule", "scaled_linear")
    if shape == "scaled_linear":
        return scaled_linear_betas(start, end, steps)
    if shape == "linear":
        return linear_betas(start, end, steps)
    raise CheckpointUnreadable(path, f"its betas are {shape!r}", "Weft knows linear and scaled_linear.")
