"""The memory plan of a prompt: what each of its nodes will need, read off the graph and the headers of its files.

Nothing runs and no weights are read. A node counts by what is wired to it: a model and latents make a sampler, a VAE and
latents a decoder, and so on, so that nodes of packs are planned for as the built-in ones are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from PIL import Image, UnidentifiedImageError

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.memory.foresight import Foresight, Need
from nodes.diffusion.memory.words import readable
from nodes.diffusion.models.detect import Part
from nodes.spec import Files, InputSpec, Json, NodeError, NodeSpec

MODEL_FOLDERS = {
    "MODEL": ("checkpoints", "diffusion_models", "diffusers"),
    "CLIP": ("checkpoints", "text_encoders", "diffusers"),
    "VAE": ("checkpoints", "vae", "diffusers"),
    "CONTROL_NET": ("controlnet",),
}
PIXEL_KINDS = ("LATENT", "IMAGE", "MASK")
FAR = 500  # nodes that are looked at upstream of one

Node = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class _Wire:
    node: str
    slot: int


@dataclass(slots=True, eq=False)
class MemoryPlan:
    """Plans prompts.

    Attributes:
        spec: of a node class; None for one that is not there.
        foresight: says what one piece of work needs.
    """

    foresight: Foresight
    files: Files
    spec: Callable[[str], NodeSpec | None]

    def __call__(self, prompt: Mapping[str, Json]) -> Mapping[str, Json]:
        """The plan, in the shape of `PlanJson` of the server's API."""
        reader = _Reader(self.files, self.spec, cast("Mapping[str, Node]", prompt))
        needs: dict[str, Need] = {}
        faults: dict[str, str] = {}
        for id in prompt:
            try:
                need = self._need(reader, id)
            except (DiffusionError, NodeError) as error:
                faults[id] = error.message
                continue
            if need is not None:
                needs[id] = need
        return self._told(needs, faults)

    def _need(self, reader: "_Reader", id: str) -> Need | None:
        wires, spec = reader.wires(id), reader.spec_of(id)
        if spec is None:
            return None
        made = {output.type for output in spec.outputs}
        guider = wires.get("GUIDER")
        model = wires.get("MODEL") or (reader.wires(guider.node).get("MODEL") if guider else None)
        if model and "LATENT" in wires and "LATENT" in made:
            return self._sampling(reader, id, model, wires["LATENT"])
        vae = wires.get("VAE")
        if vae and ("LATENT" in wires or "IMAGE" in wires) and made & {"IMAGE", "LATENT"}:
            file = reader.file(vae, "VAE")
            shown = wires.get("LATENT") or wires["IMAGE"]
            tiled = "tile" in " ".join(reader.constants(id))
            encode = "LATENT" not in wires
            size = reader.size(shown)
            return None if file is None else self.foresight.decoding(file, size, tiled=tiled, encode=encode)
        clip = wires.get("CLIP")
        if clip and "CONDITIONING" in made:
            files = reader.all_files(clip, "CLIP")
            return self.foresight.reading(files) if files else None
        return None

    def _sampling(self, reader: "_Reader", id: str, model: _Wire, latents: _Wire) -> Need | None:
        file = reader.file(model, "MODEL")
        if file is None:
            return None
        controls = [(path, Part.CONTROL) for path in reader.upstream(id, "controlnet")]
        guided = reader.constants(id).get("cfg", 2.0) != 1.0
        return self.foresight.sampling(
            file,
            reader.size(latents),
            reader.count(latents),
            guided=guided,
            beside=controls,
            loras=reader.loras(model),
        )

    def _told(self, needs: Mapping[str, Need], faults: Mapping[str, str]) -> Mapping[str, Json]:
        limit = self.foresight.limit
        peak = max((need.peak for need in needs.values()), default=0)
        away = max((need.away for need in needs.values()), default=0)
        wrong = [need for need in needs.values() if need.residence is None]
        if wrong:
            verdict, words = "cannot", max(wrong, key=lambda need: need.least).words
        elif not needs:
            verdict, words = "unknown", "no model is used"
        elif limit is not None and peak > limit:
            verdict, words = "cannot", f"cannot: needs {readable(peak)} of {readable(limit)}"
        elif away:
            verdict, words = "offloads", f"will offload {readable(away)}"
        else:
            verdict = "fits"
            words = f"fits: {readable(peak)}" + ("" if limit is None else f" of {readable(limit)}")
        return {
            "verdict": verdict,
            "words": words,
            "device": limit,
            "peak": peak,
            "offloaded": away,
            "nodes": {id: _node(need) for id, need in needs.items()},
            "faults": dict(faults),
        }


def _node(need: Need) -> Mapping[str, Json]:
    return {
        "weights": need.weights,
        "computing": need.computing,
        "measured": need.measured,
        "peak": need.peak,
        "offloaded": need.away,
        "fits": need.residence is not None,
        "words": need.words,
    }


@dataclass(slots=True, eq=False)
class _Reader:
    """Reads off a prompt what is wired to what."""

    files: Files
    spec: Callable[[str], NodeSpec | None]
    prompt: Mapping[str, Node]
    _seen: dict[str, Mapping[str, _Wire]] = field(default_factory=dict[str, Mapping[str, _Wire]])

    def spec_of(self, id: str) -> NodeSpec | None:
        return self.spec(str(self.prompt.get(id, {}).get("class_type")))

    def inputs(self, id: str) -> Iterator[tuple[InputSpec, Json]]:
        given = self.prompt.get(id, {}).get("inputs")
        spec = self.spec_of(id)
        if spec is not None and isinstance(given, Mapping):
            yield from ((one, given[one.name]) for one in spec.inputs if one.name in given)

    def wires(self, id: str) -> Mapping[str, _Wire]:
        """What is wired to a node, by type; the first of each."""
        if id not in self._seen:
            found: dict[str, _Wire] = {}
            for one, value in self.inputs(id):
                wire = self._wire(value)
                if wire is not None:
                    found.setdefault(one.type, wire)
            self._seen[id] = found
        return self._seen[id]

    def constants(self, id: str) -> Mapping[str, Json]:
        """Values of a node's inputs; a wired one is that of the constant at its other end, if there is one."""
        found: dict[str, Json] = {}
        for one, value in self.inputs(id):
            wire = self._wire(value)
            if wire is None:
                found[one.name] = value
            elif one.type in ("INT", "FLOAT", "BOOLEAN", "STRING"):
                given = self.prompt.get(wire.node, {}).get("inputs")
                inner = given.get("value") if isinstance(given, Mapping) else None
                if isinstance(inner, int | float | str | bool):
                    found[one.name] = inner
        return found

    def chain(self, wire: _Wire, kinds: Sequence[str]) -> Iterator[str]:
        """The nodes upstream along wires of some kinds, the first of each node's inputs."""
        here, steps = wire.node, 0
        while steps < FAR:
            yield here
            steps += 1
            following = next((one for kind, one in self.wires(here).items() if kind in kinds), None)
            if following is None:
                return
            here = following.node

    def file(self, wire: _Wire, kind: str) -> Path | None:
        """The file that a model on a wire comes from."""
        return next(iter(self.all_files(wire, kind)), None)

    def all_files(self, wire: _Wire, kind: str) -> list[Path]:
        """All files that the loader at the end of a wire names."""
        last = ""
        for id in self.chain(wire, (kind,)):
            last = id
        return list(self._named(last, MODEL_FOLDERS[kind]))

    def loras(self, wire: _Wire) -> list[Path]:
        """Files of changes on the way to a model's loader."""
        return [
            path
            for id in self.chain(wire, ("MODEL",))
            for path in self._named(id, ("loras",))
            if self._counts(id)
        ]

    def upstream(self, id: str, folder: str) -> list[Path]:
        """Files of a folder that any node upstream names."""
        waiting, seen, found = [id], {id}, list[Path]()
        while waiting and len(seen) < FAR:
            here = waiting.pop()
            found += [path for path in self._named(here, (folder,)) if path not in found]
            for wire in self.wires(here).values():
                if wire.node not in seen:
                    seen.add(wire.node)
                    waiting.append(wire.node)
        return found

    def size(self, wire: _Wire) -> tuple[int, int] | None:
        """Height and width of the picture on a wire, where the graph tells."""
        factor = 1.0
        for id in self.chain(wire, PIXEL_KINDS):
            said = self.constants(id)
            width, height, by = said.get("width"), said.get("height"), said.get("scale_by")
            if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
                return round(height * factor), round(width * factor)
            factor *= by if isinstance(by, int | float) and not isinstance(by, bool) else 1.0
            picture = said.get("image")
            if isinstance(picture, str):
                found = self._measured(picture)
                return None if found is None else (round(found[0] * factor), round(found[1] * factor))
        return None

    def count(self, wire: _Wire) -> int:
        """Pictures at a time."""
        for id in self.chain(wire, PIXEL_KINDS):
            size = self.constants(id).get("batch_size")
            if isinstance(size, int) and size > 0:
                return size
        return 1

    def _counts(self, id: str) -> bool:
        strength = self.constants(id).get("strength_model", 1.0)
        return strength != 0

    def _measured(self, name: str) -> tuple[int, int] | None:
        try:
            with Image.open(self.files.picture(name)) as picture:
                return picture.height, picture.width
        except (NodeError, OSError, UnidentifiedImageError):
            return None

    def _named(self, id: str, folders: Sequence[str]) -> Iterator[Path]:
        for one, value in self.inputs(id):
            if one.choices is not None and one.choices.folder in folders and isinstance(value, str):
                yield self.files.find(one.choices.folder, value)

    def _wire(self, value: Json) -> _Wire | None:
        if isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[0], str):
            return (
                _Wire(value[0], value[1]) if isinstance(value[1], int) and value[0] in self.prompt else None
            )
        return None
