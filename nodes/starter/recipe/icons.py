"""Drawings from the icon sets: fetch the packages with npm, render one SVG body as a centred premultiplied picture."""

import io
import json
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from nodes.starter.recipe.concepts import Style

SIZE = 128
BOX = 106  # the longer side of every drawing, in pixels
_OVERSAMPLING = 2


@dataclass(frozen=True, slots=True)
class IconSet:
    """One package as read: SVG bodies by name, names that stand for others, and the default size of a body."""

    bodies: dict[str, dict[str, str | int]]
    parents: dict[str, str]
    width: int
    height: int

    def find(self, names: tuple[str, ...]) -> str | None:
        """The first of `names` that the set has (aliases that also turn or flip do not count)."""
        for name in names:
            for spelling in (name, name.replace("-", "")):
                if spelling in self.bodies:
                    return spelling
                if spelling in self.parents:
                    return self.parents[spelling]
        return None


def fetch(style: Style, folder: Path) -> Path:
    """Bring `style`'s package of the named version into `folder` by `npm pack`; returns its `icons.json`.

    Raises:
        subprocess.CalledProcessError: npm could not bring the package.
    """
    target = folder / style.package.split("/")[1]
    listing = target / "package" / "icons.json"
    if not listing.exists():
        target.mkdir(parents=True, exist_ok=True)
        command = [
            "npm",
            "pack",
            "--silent",
            f"{style.package}@{style.version}",
            "--pack-destination",
            str(target),
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(target.glob("*.tgz"))) as archive:
            archive.extract("package/icons.json", target, filter="data")
    return listing


def read(listing: Path) -> IconSet:
    """Read an Iconify `icons.json`."""
    content = json.loads(listing.read_text(encoding="utf-8"))
    plain = {name: a["parent"] for name, a in content.get("aliases", {}).items() if set(a) == {"parent"}}
    return IconSet(content["icons"], plain, content.get("width", 16), content.get("height", 16))


def render(icons: IconSet, name: str) -> np.ndarray:
    """Draw an icon, its visible box centred and `BOX` pixels long.

    Returns:
        Premultiplied sRGB and alpha, float32, shape (SIZE, SIZE, 4), values 0 to 1.
    """
    import resvg_py  # only the recipe needs it

    icon = icons.bodies[name]
    width, height = int(icon.get("width", icons.width)), int(icon.get("height", icons.height))
    side = max(width, height) * SIZE / BOX
    left, top = (width - side) / 2, (height - side) / 2
    pixels = SIZE * _OVERSAMPLING
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{pixels}" height="{pixels}" viewBox="{left} {top} {side} {side}">{icon["body"]}</svg>'
    )
    picture = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg)))).convert("RGBA")
    straight = np.asarray(_centred(picture), np.float32) / 255
    straight[..., :3] *= straight[..., 3:]
    return straight.reshape(SIZE, _OVERSAMPLING, SIZE, _OVERSAMPLING, 4).mean((1, 3))


def _centred(picture: Image.Image) -> Image.Image:
    """Move and scale the visible part to the middle (enlarging by at most a third)."""
    rows, columns = np.where(np.asarray(picture)[..., 3] > 20)
    left, right = columns.min(), columns.max() + 1
    top, bottom = rows.min(), rows.max() + 1
    scale = min(BOX * _OVERSAMPLING / max(right - left, bottom - top), 4 / 3)
    reach = picture.width / 2 / scale
    matrix = (1 / scale, 0, (left + right) / 2 - reach, 0, 1 / scale, (top + bottom) / 2 - reach)
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, resample=Image.Resampling.BICUBIC)
