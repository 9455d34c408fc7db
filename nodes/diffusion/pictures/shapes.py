"""Shapes of what a function changes in size or number: as in `values`, but the sides of two tensors need not agree."""

from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor

AnyImage: TypeAlias = Float[Tensor, "_batch _height _width _channel"]
AnyMask: TypeAlias = Float[Tensor, "_batch _height _width"]
AnyPlanes: TypeAlias = Float[Tensor, "_batch _channel ..."]
