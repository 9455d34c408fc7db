"""A loaded network as a `Network`: called with scaled latents, a timestep and a context."""

from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from nodes.diffusion.changes import NO_CHANGES, NetworkChanges
from nodes.diffusion.conditions import PICTURES, reads_beside
from nodes.diffusion.denoiser import (
    NO_INPUTS,
    LatentFormat,
    Network,
    NetworkInputs,
    Parametrisation,
    Residuals,
)
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.gligen import FindPlaces
from nodes.diffusion.latent_formats import latent_format
from nodes.diffusion.lending import Lend
from nodes.diffusion.level_recipes import built
from nodes.diffusion.models.compiled import Regions, compilable, hurried
from nodes.diffusion.models.families.placing import CLEAN
from nodes.diffusion.models.family import Family, Place
from nodes.diffusion.models.stacked import asked
from nodes.diffusion.noise_levels import NoiseLevels
from nodes.diffusion.resembling import Seen
from nodes.diffusion.values import HookPatch, ModelSettings

ENTRIES = (
    "x_embedder.weight",
    "img_in.weight",
    "conv_in.weight",
    "patch_embedding.weight",
    "pos_embed.proj.weight",
)


class Stage(Protocol):
    """Stands before every call of every network, and goes on by `LoadedNetwork.answer`."""

    def __call__(
        self,
        network: "LoadedNetwork",
        latents: Tensor,
        timestep: Tensor,
        context: Tensor,
        /,
        *,
        residuals: Residuals | None,
        inputs: NetworkInputs,
        changes: NetworkChanges,
    ) -> Tensor: ...


@dataclass(frozen=True, slots=True, eq=False)
class LoadedNetwork:
    """A network of diffusers with what a sampler needs to know of it.

    Attributes:
        module: of the family's class.
        levels: the noise it was trained on.
        published: where its tensors lie in files of the original layout.
        seen: how it was trained to be shown pictures; None: it was not.
        places: finds what tells it of boxes; None: it cannot be told.
        lend: finds what rules need beside it; None where nobody keeps files.
        patched: gives it with further patches; None where nobody keeps its files.
        stage: of all networks of this process; the room of packs sets it, None: there is none.
        compiled, kernel: as of `ModelSettings`. regions: its compiled blocks by backend, the same for all its settings.
    """

    stage: ClassVar[Stage | None] = None
    module: nn.Module
    family: Family
    parametrisation: Parametrisation
    levels: NoiseLevels
    latent_format: LatentFormat
    device: torch.device
    dtype: torch.dtype
    published: Sequence[Place] = ()
    patched: Callable[[tuple[HookPatch, ...]], Network] | None = None
    seen: Seen | None = None
    places: FindPlaces | None = None
    lend: Lend | None = None
    compiled: str = ""
    kernel: str = ""
    regions: Regions = field(default_factory=dict[str, list[tuple[nn.Module, Callable[..., Any]]]])

    @property
    def apart(self) -> bool:
        """As `AskedApart`."""
        return self.device.type == "cpu"

    @property
    def blocks(self) -> tuple[int, int]:
        """How many blocks it has of two streams, and of one; none as a U-Net."""
        return (0, 0) if self.family.stacks is None else self.family.stacks.counts(self.module)

    @property
    def joins_text(self) -> bool:
        """As `JoinsText`."""
        stacks = self.family.stacks
        return stacks is not None and not stacks.double.reading

    @property
    def reads(self) -> Set[str]:
        """As `SaysWhatItReads`."""
        own = {PICTURES} if self.seen is not None else set[str]()
        return self.family.reads | own | reads_beside(self.latent_format)

    @property
    def called(self) -> str:
        """As `SaysWhatItReads`."""
        return self.family.name

    def hooked(self, patches: tuple[HookPatch, ...]) -> Network:
        """As `HookableNetwork`."""
        if self.patched is None:
            raise ValueError("A condition has hooks, but nothing was given that loads them.")
        return self.patched(patches)

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
        """As `Network`. Sides of latents that the network cannot cut evenly are dealt with inside.

        Raises:
            ContextMismatch: the text was read for another family.
            DiffusionError: it is given residuals, and its family has no place for them.
        """
        stage = type(self).stage
        if stage is None:
            return self.answer(
                latents, timestep, context, residuals=residuals, inputs=inputs, changes=changes
            )
        return stage(self, latents, timestep, context, residuals=residuals, inputs=inputs, changes=changes)

    def answer(
        self,
        latents: Tensor,
        timestep: Tensor,
        context: Tensor,
        *,
        residuals: Residuals | None = None,
        inputs: NetworkInputs = NO_INPUTS,
        changes: NetworkChanges = NO_CHANGES,
    ) -> Tensor:
        """As it is called, whatever stands before it."""
        if torch.is_grad_enabled():
            with torch.no_grad():
                return self.answer(
                    latents, timestep, context, residuals=residuals, inputs=inputs, changes=changes
                )
        if self.latent_format.joined and inputs.joined is not None:
            latents = torch.cat((latents, inputs.joined.to(latents)), 1)
        if residuals is not None and not self.family.controlled:
            raise DiffusionError(
                f"{self.family.name} cannot be told what this control network says.",
                "Use a control network that was made for this model, or leave it out.",
            )
        compiled = self.compiled if compilable(changes) and inputs.reference_method != CLEAN else ""
        hurry = compiled or self.kernel
        with (
            hurried(self.module, self.family.stacks, compiled, self.kernel, self.regions)
            if hurry
            else nullcontext()
        ):
            return asked(
                self.family,
                self.module,
                latents,
                timestep,
                context,
                residuals=residuals,
                inputs=inputs,
                changes=changes,
            )

    def settled(self, settings: ModelSettings) -> "LoadedNetwork":
        """The same network, sampled as nodes have set it."""
        kind, levels, form = settings.parametrisation, settings.levels, settings.latent_format
        return replace(
            self,
            parametrisation=Parametrisation(kind) if kind else self.parametrisation,
            levels=self.levels if levels is None else built(levels, self.levels),
            latent_format=latent_format(form) if form else self.latent_format,
            compiled=settings.compiled,
            kernel=settings.kernel,
        )

    def widened(self, wider: Mapping[str, float]) -> "LoadedNetwork":
        """The same network, whose entry reads more channels than its family's.

        Args:
            wider: how many times as many columns a weight has, by name; weights that are no entries do not count.
        """
        times = next((share for name, share in wider.items() if name in ENTRIES), 1.0)
        form = self.latent_format
        joined = round((form.channels + form.joined) * times) - form.channels
        return self if times == 1.0 else replace(self, latent_format=replace(form, joined=joined))
