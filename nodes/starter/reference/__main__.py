"""Make the page: `python -m nodes.starter.reference FILE [--samplers NAME...] [--steps NUMBER...]`, as `weft docs` does."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nodes.diffusion.sampling import SAMPLERS
from nodes.diffusion.schedules import SCHEDULES
from nodes.starter.reference.curves import node_curves
from nodes.starter.reference.drawing import Studio, usual_scale
from nodes.starter.reference.page import Shots, page

SCALES = (1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 16.0, 20.0)
CURVE_STEPS = 16
STOPPED = 130
USAGE = "weft docs samplers [--output FILE.html] [--samplers NAME...] [--steps NUMBER...]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw all, and write the file; the exit status."""
    parser = argparse.ArgumentParser(prog="weft docs samplers", usage=USAGE)
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--samplers", nargs="+", choices=tuple(SAMPLERS), default=list(SAMPLERS), metavar="NAME"
    )
    parser.add_argument("--steps", nargs="+", type=int, default=[4, 8, 16, 32], metavar="NUMBER")
    options = parser.parse_args(arguments)
    if min(options.steps) < 1:
        parser.error("--steps: numbers are 1 or more.")
    try:
        text = page(_drawn(options.samplers, options.steps))
        options.file.parent.mkdir(parents=True, exist_ok=True)
        options.file.write_text(text, encoding="utf-8")
    except KeyboardInterrupt:
        return STOPPED
    except OSError as error:
        print(f"Cannot write {options.file}: {error.strerror or error}.", file=sys.stderr)
        return 1
    print(options.file)
    return 0


def _drawn(samplers: Sequence[str], steps: Sequence[int]) -> Shots:
    pictures: dict[str, dict[int, bytes]] = {}
    with Studio.opened() as studio:
        for number, name in enumerate(samplers, 1):
            _tell(f"[{number}/{len(samplers)}] {name}")
            pictures[name] = {count: studio.picture(name, count, usual_scale(name)) for count in steps}
        _tell("guidance and schedules")
        guided = {scale: studio.picture(samplers[0], max(steps), scale) for scale in SCALES}
        curves = {name: studio.curve(name, CURVE_STEPS) for name in SCHEDULES}
        made = {
            name: sigmas.tolist() for name, sigmas in node_curves(studio.network.levels, CURVE_STEPS).items()
        }
    return Shots(pictures, curves, made, guided, samplers[0], max(steps))


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
