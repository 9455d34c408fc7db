"""Running a sampler for a node: progress, previews, warnings, and both results."""

from dataclasses import dataclass, replace

from nodes.builtin.models import told
from nodes.builtin.previews import preview
from nodes.diffusion.guidance import Guider, ReportingGuider
from nodes.diffusion.pool import Session
from nodes.diffusion.sampling import SAMPLERS, Run, sample
from nodes.diffusion.sampling.steps import Step
from nodes.diffusion.schedules import SCHEDULES
from nodes.diffusion.values import Latent
from nodes.spec import Context, NodeError

OF_EMPTY_ONES = frozenset(
    {"downscale_ratio_spacial", "downscale_ratio_temporal"}
)  # say how to fit empty latents


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """What a run gave: the latents at its end, and the last guess of the clean ones."""

    latent: Latent
    denoised: Latent


def sampled(ctx: Context, loaded: Session, guided: Guider, latent: Latent, run: Run) -> Sampled:
    """Run to the end, telling the person how far it is. A run without steps gives the latents back.

    Raises:
        NodeError: what was chosen does not go together.
    """
    for warning in (*loaded.warnings, *guided.unread):
        ctx.say(warning)
    total = max(len(run.sigmas) - 1, 0)
    form = guided.network.latent_format
    given = replace(
        latent, extra={name: value for name, value in latent.extra.items() if name not in OF_EMPTY_ONES}
    )
    last = None

    def show(step: Step) -> None:
        ctx.progress(step.index + 1, total, preview(ctx, step.denoised, form))

    with told():
        for step in sample(guided, latent, replace(run, tell=show)):
            last = step
            if step.index >= 0:
                show(step)
    for line in guided.told if isinstance(guided, ReportingGuider) else ():
        ctx.say(line)
    if last is None:
        return Sampled(latent, latent)
    return Sampled(given.with_samples(last.latents.cpu()), given.with_samples(last.denoised.cpu()))


def check_names(sampler: str, schedule: str) -> None:
    """Tell unknown names from known ones.

    Raises:
        NodeError: there is no such sampler, or no such schedule.
    """
    if sampler not in SAMPLERS:
        known = ", ".join(sorted(SAMPLERS))
        raise NodeError(f"The sampler {sampler} is not in Weft yet.", f"Choose one of: {known}.")
    if schedule not in SCHEDULES:
        raise NodeError(f"There is no schedule {schedule!r}.", f"Choose one of: {', '.join(SCHEDULES)}.")
