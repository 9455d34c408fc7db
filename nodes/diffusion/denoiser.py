"""Denoisers: from what a network predicts to an estimate of clean latents.

A sampler sees only `Denoiser`; a network sees only its own input scale, timestep and conditions. Each parametrisation is
one pair of formulas here.
"""

from collections.abc import Callable, Set
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from nodes.diffusion.changes import NO_CHANGES, NetworkChanges
from nodes.diffusion.latent_formats import LatentFormat
from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise_levels import NoiseLevels
from nodes.diffusion.residuals import Residuals
from nodes.diffusion.values import ControlUse, HookPatch, Latents, Sigma

CONSISTENCY_SCALE, CONSISTENCY_DEVIATION = 10.0, 0.5  # of timesteps; of clean latents


class Parametrisation(Enum):
    """What a network predicts, and at which scale it is asked."""

    EPS = "eps"  # the noise (Ho et al. 2020, arXiv:2006.11239)
    V = "v"  # velocity (Salimans and Ho 2022, arXiv:2202.00512, appendix D)
    EDM = "edm"  # what is left of the clean latents, preconditioned (Karras et al. 2022, arXiv:2206.00364, eq. 7)
    FLOW = "flow"  # noise less latents (Liu et al. 2022, arXiv:2209.03003)
    X0 = "x0"  # the clean latents
    IMAGE_TO_IMAGE = "img_to_img"  # the clean latents, from noisy ones as they are
    COSMOS = "cosmos_rflow"  # noise less latents, where noise is added (NVIDIA 2025, Cosmos-Predict2)
    CONSISTENCY = (
        "lcm"  # the noise, of which a consistency model makes its jump (Luo et al. 2023, arXiv:2310.04378)
    )

    @property
    def mixing(self) -> Mixing:
        """How noise lies in the latents that samplers hold for such a network."""
        return Mixing.TRADED if self is Parametrisation.FLOW else Mixing.ADDED

    @property
    def data_deviation(self) -> float:
        """The deviation of clean latents that the preconditioning counts on (sigma_data of Karras et al. 2022)."""
        return 0.5 if self is Parametrisation.EDM else 1.0

    @property
    def starts_as_trained(self) -> bool:
        """Whether a run from the highest level starts as pure noise was in training: a little above that level."""
        return self is not Parametrisation.COSMOS


@runtime_checkable
class Denoiser(Protocol):
    """Estimates clean latents from noisy ones at a noise level."""

    def __call__(self, latents: Latents, sigma: Sigma) -> Latents: ...


@runtime_checkable
class TwoSidedDenoiser(Denoiser, Protocol):
    """A denoiser that can also say what it estimates for the negative conditions alone."""

    def both(self, latents: Latents, sigma: Sigma) -> tuple[Latents, Latents]:
        """The guided estimate, as a call gives it, and the negative side's."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class NetworkInputs:
    """What a network reads beside latents, timestep and context; a family leaves alone what it has no use for.

    Attributes:
        pooled: the text as one vector, Float[batch feature].
        sides: to which side of guidance each equal part of the batch belongs (0 positive, 1 negative); empty if unknown.
        conds: which condition each equal part is for, by any number that stays the same through a run; empty if unknown.
        item: of the latents' batch, where each is asked apart; None: all of them.
        joined: further channels of the latents, Float[batch channel height width]; the network's `LatentFormat` says
            how many it has.
        sizes: of the picture that the model imagines, in pixels: height, width, what is cut off above and at the left,
            height and width asked for. Float[batch 6].
        beauty: how beautiful people would find it, 0 to 10, Float[batch].
        guidance: how closely to follow the text, for networks that were trained with it, Float[batch].
        references: latents of pictures to refer to, at the model's scale, each Float[batch channel height width].
        reference_method: where these are placed, by the field's names ("offset", "index", "uxo", "index_timestep_zero");
            empty: as the family was trained.
        token_mask: which tokens of the context count, [batch token].
        bias: what is added to attention's scores, Float[batch token token]: the context's tokens, then a grid of `bias_grid`
            (rows, columns) laid over the picture.
        noisiness: how noisy the picture in `joined` is, as a timestep of its own table, [batch].
        resembled: a picture to resemble, as one vector of its features and how noisy they are, Float[batch feature].
        layers: states of a language model's layers, Float[batch layer token feature].
        more_text: what a second text encoder says, Float[batch token feature]; `more_mask`: which of it counts.
        first_stage: what an earlier, more strongly compressing stage made, Float[batch channel row column].
    """

    pooled: Tensor | None = None
    sides: tuple[int, ...] = ()
    conds: tuple[int, ...] = ()
    item: int | None = None
    joined: Tensor | None = None
    sizes: Tensor | None = None
    beauty: Tensor | None = None
    guidance: Tensor | None = None
    references: tuple[Tensor, ...] = ()
    reference_method: str = ""
    token_mask: Tensor | None = None
    bias: Tensor | None = None
    bias_grid: tuple[int, int] = (1, 1)
    resembled: Tensor | None = None
    layers: Tensor | None = None
    noisiness: Tensor | None = None
    more_text: Tensor | None = None
    more_mask: Tensor | None = None
    first_stage: Tensor | None = None


NO_INPUTS = NetworkInputs()


@runtime_checkable
class Network(Protocol):
    """A loaded denoising network."""

    @property
    def parametrisation(self) -> Parametrisation: ...

    @property
    def levels(self) -> NoiseLevels: ...

    @property
    def latent_format(self) -> LatentFormat: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def dtype(self) -> torch.dtype: ...

    def __call__(
        self,
        latents: Tensor,
        timestep: Tensor,
        context: Tensor,
        *,
        residuals: Residuals | None = None,
        inputs: NetworkInputs = NO_INPUTS,
        changes: NetworkChanges = NO_CHANGES,
    ) -> Tensor:
        """Predict.

        Args:
            latents: Float[batch channel height width], scaled for the network, in its dtype.
            timestep: Float[batch].
            context: Float[batch token feature].
            residuals: what control networks add.
        """
        ...


@runtime_checkable
class SaysWhatItReads(Protocol):
    """A network that knows what of a prompt it was trained to read."""

    @property
    def called(self) -> str:
        """What people call its family."""
        ...

    @property
    def reads(self) -> Set[str]:
        """Of the names in `conditions.SAID`, those that it reads."""
        ...


@runtime_checkable
class AskedApart(Protocol):
    """A network whose answer to an item may depend on the batch that the item is in."""

    @property
    def apart(self) -> bool:
        """Whether it is to be asked for one item at a time: on a processor, a batch's shape decides how sums are rounded."""
        ...


@runtime_checkable
class Denoising(Protocol):
    """A network that may work on noisy latents as samplers hold them."""

    @property
    def denoises(self) -> bool:
        """Whether it does: it is given them in float32, not scaled, and answers with its estimate of the clean ones."""
        ...


@runtime_checkable
class JoinsText(Protocol):
    """A network that may attend over text and picture together."""

    @property
    def joins_text(self) -> bool:
        """Whether it does: a text repeated in its own length then says something else."""
        ...


@runtime_checkable
class HookableNetwork(Network, Protocol):
    """A network that can be had with further patches on its weights, for some of the conditions of a run."""

    def hooked(self, patches: tuple[HookPatch, ...]) -> Network:
        """The same with these patches; until the next call, and as long as this network itself."""
        ...


@runtime_checkable
class ControlNetwork(Protocol):
    """A loaded control network."""

    def hint(self, use: ControlUse, height: int, width: int, form: LatentFormat) -> Tensor:
        """What it reads of a use's picture beside latents of a size, Float[batch channel rows columns].

        Args:
            form: of the latents.
        """
        ...

    def __call__(
        self,
        latents: Tensor,
        timestep: Tensor,
        context: Tensor,
        hint: Tensor,
        inputs: NetworkInputs = NO_INPUTS,
    ) -> Residuals:
        """Residuals for these latents; `hint` is what the method of that name gave, for each of them."""
        ...


@runtime_checkable
class OwnControl(Protocol):
    """In the place of a control's recipe: a control that Weft has no file of."""

    def beside(self, network: Any, use: ControlUse) -> ControlNetwork:
        """It at work beside a loaded network."""
        ...


@runtime_checkable
class StrongControl(ControlNetwork, Protocol):
    """A control network whose own work depends on how strong it is: its residuals are not scaled after it."""

    def at_strength(self, strength: float) -> ControlNetwork:
        """It at a strength."""
        ...


def network_input(kind: Parametrisation, latents: Latents, sigma: Sigma) -> Latents:
    """Noisy latents at the scale of training.

    Where noise is added that is unit variance (Karras et al. 2022, arXiv:2206.00364, table 1, c_in).
    """
    match kind:
        case Parametrisation.FLOW | Parametrisation.IMAGE_TO_IMAGE:
            return latents
        case Parametrisation.COSMOS:
            return latents / (sigma + 1.0)
        case _:
            return latents / (sigma * sigma + kind.data_deviation**2).sqrt()


def denoised_from(
    kind: Parametrisation, latents: Latents, sigma: Sigma, predicted: Latents, timestep: Tensor
) -> Latents:
    """The estimate of clean latents behind a prediction; all float32.

    Args:
        timestep: what the network was told, Float[1] or Float[batch], all equal.
    """
    return denoising(kind, sigma, timestep)(latents, predicted)


def denoising(kind: Parametrisation, sigma: Sigma, timestep: Tensor) -> Callable[[Latents, Latents], Latents]:
    """`denoised_from` at one noise level, whose numbers are made once for all that is asked there.

    Returns:
        from noisy latents and what the network predicts of them to the clean ones.
    """
    match kind:
        case Parametrisation.EPS | Parametrisation.FLOW:
            return lambda latents, predicted: latents - predicted * sigma
        case Parametrisation.V | Parametrisation.EDM:
            data = kind.data_deviation
            spread = sigma**2 + data**2
            signed = data if kind is Parametrisation.EDM else -data
            kept, turned = data**2 / spread, sigma * signed / spread**0.5
            return lambda latents, predicted: latents * kept + predicted * turned
        case Parametrisation.X0 | Parametrisation.IMAGE_TO_IMAGE:
            return lambda _latents, predicted: predicted
        case Parametrisation.COSMOS:
            share = sigma / (sigma + 1.0)
            rest = 1.0 - share
            return lambda latents, predicted: latents * rest - predicted * share
        case Parametrisation.CONSISTENCY:
            told = timestep.flatten()[0]
            return lambda latents, predicted: _jumped(latents, latents - predicted * sigma, told)


def _jumped(latents: Latents, clean: Latents, timestep: Sigma) -> Latents:
    """A consistency model's answer: the latents themselves at timestep 0, the clean ones elsewhere.

    Source: Song et al. 2023 (arXiv:2303.01469), eq. 5; numbers of Luo et al. 2023 (arXiv:2310.04378), section 5.
    """
    scaled, data = CONSISTENCY_SCALE * timestep, CONSISTENCY_DEVIATION
    spread = scaled**2 + data**2
    return clean * (scaled / spread**0.5) + latents * (data**2 / spread)
