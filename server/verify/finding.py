"""What was found out about a picture: the exit status, in words, and as JSON."""

import math
from dataclasses import dataclass

from nodes.spec import Json
from server.graph.run import Status
from server.verify.compare import Difference, Kind
from server.verify.distance import Distance
from server.verify.picture import Picture
from server.verify.rerun import Again

SAME, OTHER, STOPPED = 0, 1, 130
LIKELIEST = (Kind.NODE, Kind.FILE, Kind.VERSION, Kind.MACHINE)  # what changes most pixels comes first


@dataclass(frozen=True, slots=True)
class Finding:
    """All that was found out.

    Attributes:
        again: what came of making it again; None if it was not asked for, or could not be.
        refused: why it could not be.
    """

    picture: Picture
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    again: Again | None = None
    refused: str = ""

    @property
    def status(self) -> int:
        """The exit status. Pixels that were made again have the last word; an edited file is never the same."""
        if self.again is not None and self.again.ending.status is Status.STOPPED:
            return STOPPED
        if self.refused:
            return OTHER
        if self.again is not None:
            return SAME if self.again.identical and not self.picture.is_edited else OTHER
        return OTHER if self.differences else SAME

    @property
    def cause(self) -> str:
        """Why it likely came out otherwise; empty where it did not, or was not made again."""
        if self.again is None or self.again.made is None or self.again.identical:
            return ""
        first = [Kind.PICTURE] if self.picture.is_prompt_changed else []
        for kind in (*first, *LIKELIEST):
            told = [entry.message for entry in self.differences if entry.kind is kind]
            if told:
                return " ".join(told)
        if any(entry.kind is Kind.UNKNOWN for entry in self.differences):
            return "something of which the picture holds no record."
        return "a node that does not give the same for the same inputs, since nothing recorded is other here."


def lines(finding: Finding) -> list[str]:
    """In words."""
    told = [_made_by(finding.picture)]
    if finding.differences:
        told += ["What differs, or is not known:", *(f"  {entry.message}" for entry in finding.differences)]
    elif finding.again is None:
        told.append("This machine would make the same picture.")
    told += [f"Note: {note}" for note in finding.notes]
    if finding.refused:
        told.append(finding.refused)
    elif finding.again is not None:
        told.append(_outcome(finding.picture, finding.again))
        if finding.cause:
            told.append(f"The likely cause: {finding.cause}")
    return told


def _made_by(picture: Picture) -> str:
    record = picture.record
    if record is None:
        return f"{picture.path.name}: it holds {'a prompt' if picture.prompt is not None else 'a workflow'} and no record."
    which = (
        f", picture {record.index + 1} of {record.count}" if record.index is not None and record.count else ""
    )
    versions = f"Weft {record.versions.get('weft', '?')}, torch {record.versions.get('torch', '?')}"
    device = record.machine.get("name") or record.machine.get("device") or "an unknown device"
    return (
        f"{picture.path.name}: made by {versions} on {device}; job {record.job}, node {record.node}{which}."
    )


def _outcome(picture: Picture, again: Again) -> str:
    if again.ending.status is Status.STOPPED:
        return "Stopped."
    apart = again.distance
    if again.identical and picture.is_edited:
        return f"Made again: every pixel is as it was saved. The file, edited since, is away from that by {_far(apart)}."
    nearest = "" if again.certain else " (which of the pictures it is, is not known: the nearest is meant)"
    if again.identical:
        return f"Made again: every pixel is the same{nearest}."
    return f"Made again: it is another picture{nearest}: {_far(apart)}."


def _far(apart: Distance | None) -> str:
    if apart is None:
        return "another size"
    return (
        f"{apart.share:.1%} of its pixels, at most {apart.largest} of 255, {apart.mean:.3f} on average, "
        f"PSNR {apart.psnr:.1f} dB"
    )


def as_json(finding: Finding) -> dict[str, Json]:
    """For programs."""
    told: dict[str, Json] = {
        "file": str(finding.picture.path),
        "same": finding.status == SAME,
        "recorded": finding.picture.record is not None,
        "edited": finding.picture.is_edited,
        "differences": [
            {
                "kind": entry.kind.value,
                "message": entry.message,
                "recorded": entry.recorded,
                "here": entry.here,
            }
            for entry in finding.differences
        ],
        "notes": list(finding.notes),
    }
    if finding.refused:
        told["rerun"] = {"error": finding.refused}
    elif finding.again is not None:
        told["rerun"] = _rerun_as_json(finding.again) | {"cause": finding.cause}
    return told


def _rerun_as_json(again: Again) -> dict[str, Json]:
    apart = again.distance
    return {
        "status": again.ending.status.value,
        "identical": again.identical,
        "certain": again.certain,
        "distance": None
        if apart is None
        else {
            "largest": apart.largest,
            "mean": apart.mean,
            "psnr": apart.psnr if math.isfinite(apart.psnr) else None,
            "share": apart.share,
        },
    }
