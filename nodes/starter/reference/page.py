"""The page itself: one HTML file with its pictures inside, which needs no network and no script."""

import base64
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources

from nodes.diffusion.about_schedules import ABOUT_NODE_SCHEDULES, ABOUT_SCHEDULES, AboutSchedule
from nodes.diffusion.sampling.about import ABOUT_SAMPLERS
from nodes.starter import DEFAULTS
from nodes.starter.reference.drawing import LOW, PROMPT, SEED

GREEK = re.compile(r"\b(sigma|eta|gamma|alpha)(?=\b|_)")
BELOW = re.compile(r"(?<![A-Za-z])([A-Za-z]-?|sigma)_([a-z0-9]+)\b")  # an index; names of samplers have none
ABOVE = (
    re.compile(r"\^([a-z]\b|\d+(?:\.\d+)?)"),
    re.compile(r"\^\(([^()]*)\)"),
)  # powers, the inner ones first
ARXIV = re.compile(r"arXiv:(\d{4}\.\d{5})")
WIDTH, HEIGHT, LEFT, BOTTOM = 280, 150, 42, 18  # of a curve's drawing, in its own units
LEAST = 0.01  # the lowest sigma on a curve's axis; 0 lies there too
WORDS: Mapping[str, str] = {
    "x": "the latents at the level sigma; x' those at the next level",
    "sigma": "standard deviation of the noise in them; sigma' the next level's",
    "D": "the network's estimate of the clean latents, guided; D_1 that of the step before, D- the negative prompt's own",
    "d": "(x - D) / sigma, the slope",
    "h": "ln(sigma / sigma'), the length of a step; h_1 that of the step before",
    "n": "fresh Gaussian noise; down and up split a level into what a step reaches and what noise adds",
}


@dataclass(frozen=True, slots=True)
class Shots:
    """What was drawn.

    Attributes:
        samplers: by name pictures by number of steps.
        curves: sigmas by schedule; node_curves: by the node that makes them.
        guided: pictures by guidance scale, by `sampler` in `steps` steps.
    """

    samplers: Mapping[str, Mapping[int, bytes]]
    curves: Mapping[str, Sequence[float]]
    node_curves: Mapping[str, Sequence[float]]
    guided: Mapping[float, bytes]
    sampler: str
    steps: int


def page(shots: Shots) -> str:
    """The whole document."""
    style = resources.files("nodes.starter.reference").joinpath("page.css").read_text(encoding="utf-8")
    names = "".join(f'<a href="#{name}">{name}</a>' for name in shots.samplers)
    words = "".join(f"<dt>{_maths(word)}</dt><dd>{_maths(meaning)}</dd>" for word, meaning in WORDS.items())
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Samplers and schedules - Weft</title>
<style>
{style}</style>
</head>
<body>
<main>
<h1>Samplers and schedules</h1>
<p>A sampler turns noise into a picture, step by step; a schedule says which noise levels it visits. All pictures here show
&ldquo;{escape(PROMPT)}&rdquo; with the model that comes with Weft, from seed {SEED}, so that what differs is the sampler.
CFG++ samplers (<code>_cfg_pp</code>) are drawn at guidance {LOW:g}, which suits them; others at
{DEFAULTS.guidance_scale:g}. This model's first level is nearly pure noise: a few samplers, such as <code>heun</code>, cannot
cross it in few steps.</p>
<nav aria-label="Contents"><a href="#samplers">samplers</a><a href="#schedules">schedules</a>\
<a href="#guidance">guidance</a></nav>
<h2 id="samplers">Samplers</h2>
<dl>{words}</dl>
<nav aria-label="Samplers">{names}</nav>
{"".join(_sampler(name, pictures) for name, pictures in shots.samplers.items())}
<h2 id="schedules">Schedules</h2>
<p>Noise levels of this model, top to bottom on a logarithmic scale; each dot is a level that is visited. Where dots lie
close, the sampler takes its time.</p>
<div class="curves">{"".join(_schedule(name, sigmas) for name, sigmas in shots.curves.items())}</div>
<h3 id="more-schedules">Schedules that nodes make</h3>
<p>Nodes of their own make these, for <code>SamplerCustom</code> and <code>SamplerCustomAdvanced</code>, or change one
(drawn: <code>karras</code> after it, of two parts the later one). Levels are those of each node's own settings.</p>
<div class="curves">{"".join(_made(name, sigmas) for name, sigmas in shots.node_curves.items())}</div>
<h2 id="guidance">Guidance</h2>
<p>How strongly the picture follows the prompt: <code>{shots.sampler}</code>, {shots.steps} steps. At 1 there is no guidance;
too much burns colours and shapes. The model that comes with Weft likes 2 to 4.</p>
<article><div class="row">{"".join(_picture(body, f"{scale:g}") for scale, body in shots.guided.items())}</div></article>
</main>
</body>
</html>
"""


def _sampler(name: str, pictures: Mapping[int, bytes]) -> str:
    about = ABOUT_SAMPLERS[name]
    first, second = (f"<div>{_maths(line)}</div>" for line in about.maths)
    shown = "".join(
        _picture(body, f"{steps} step{'s' * (steps > 1)}", name) for steps, body in pictures.items()
    )
    return (
        f'<article id="{name}"><h3>{name}</h3><p>{escape(about.purpose)}</p><div class="maths">{first}{second}</div>'
        f'<div class="source">{_source(about.source)}</div><div class="row">{shown}</div></article>\n'
    )


def _schedule(name: str, sigmas: Sequence[float]) -> str:
    return _told(name, ABOUT_SCHEDULES[name], _curve(name, sigmas))


def _made(node: str, sigmas: Sequence[float]) -> str:
    return _told(node, ABOUT_NODE_SCHEDULES[node], _curve(node, sigmas))


def _told(name: str, about: AboutSchedule, curve: str) -> str:
    return (
        f'<article id="{name}"><h3>{name}</h3><p>{escape(about.purpose)}</p>{curve}'
        f'<div class="maths"><div>{_maths(about.maths)}</div></div>'
        f'<div class="source">{_source(about.source)}</div></article>'
    )


def _curve(name: str, sigmas: Sequence[float]) -> str:
    """Sigmas over steps: a line with a dot for each level, on an axis of powers of ten."""
    top = 10 ** math.ceil(math.log10(max(sigmas)))
    span = math.log10(top / LEAST)

    def height(sigma: float) -> float:
        return (HEIGHT - BOTTOM) * math.log10(top / max(sigma, LEAST)) / span + 6

    places = [
        (LEFT + (WIDTH - LEFT - 8) * index / max(len(sigmas) - 1, 1), height(sigma))
        for index, sigma in enumerate(sigmas)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(f'<circle class="visited" cx="{x:.1f}" cy="{y:.1f}" r="2.4"/>' for x, y in places)
    axis = ""
    for power in range(round(span) + 1):
        y = height(top / 10**power)
        label = "0" if power == round(span) else f"{top / 10**power:g}"
        axis += f'<line class="axis" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        axis += f'<text x="{LEFT - 6}" y="{y + 3:.1f}" text-anchor="end">{label}</text>'
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Noise levels of {name}">{axis}'
        f'<polyline class="curve" points="{line}"/>{dots}</svg>'
    )


def _picture(body: bytes, said: str, of: str = "guidance") -> str:
    data = base64.b64encode(body).decode("ascii")
    return (
        f'<figure><img loading="lazy" width="128" height="128" alt="{of}, {said}" src="data:image/webp;base64,{data}">'
        f"<figcaption>{said}</figcaption></figure>"
    )


def _maths(text: str) -> str:
    """Plain maths with Greek letters, indices and powers."""
    marked = BELOW.sub(r"\1<sub>\2</sub>", escape(text, quote=False))
    for power in ABOVE:
        marked = power.sub(r"<sup>\1</sup>", marked)
    return GREEK.sub(r"&\1;", marked)


def _source(text: str) -> str:
    return ARXIV.sub(r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>', escape(text))
