"""`comfy.conds`: what a network is told, as values that know how to be joined."""

import math

import torch

from nodes.compat.names.comfy.utils import repeat_to_batch_size


class CONDRegular:
    """A tensor [batch ...], repeated to the batch."""

    def __init__(self, cond):
        self.cond = cond

    def _copy_with(self, cond):
        return type(self)(cond)

    def process_cond(self, batch_size, area=None, **_more):
        return self._copy_with(repeat_to_batch_size(self.cond, batch_size))

    def can_concat(self, other):
        return self.cond.shape == other.cond.shape and self.cond.device == other.cond.device

    def concat(self, others):
        return torch.cat([self.cond, *(other.cond for other in others)])

    def size(self):
        return list(self.cond.size())


class CONDNoiseShape(CONDRegular):
    """A tensor of the latents' shape: cut to the area."""

    def process_cond(self, batch_size, area=None, **_more):
        data = self.cond
        if area is not None:
            sides = len(area) // 2
            for axis in range(sides):
                data = data.narrow(axis + 2, area[axis + sides], area[axis])
        return self._copy_with(repeat_to_batch_size(data, batch_size))


class CONDCrossAttn(CONDRegular):
    """A text [batch token width]: others of another length are joined by repeating both, at most four times."""

    MOST = 4

    def can_concat(self, other):
        one, two = self.cond.shape, other.cond.shape
        if one == two:
            return True
        if one[0] != two[0] or one[2] != two[2] or self.cond.device != other.cond.device:
            return False
        return math.lcm(one[1], two[1]) // min(one[1], two[1]) <= self.MOST

    def concat(self, others):
        every = [self.cond, *(other.cond for other in others)]
        length = math.lcm(*(each.shape[1] for each in every))
        return torch.cat([each.repeat(1, length // each.shape[1], 1) for each in every])


class CONDConstant(CONDRegular):
    """A value that all share."""

    def process_cond(self, batch_size, area=None, **_more):
        return self._copy_with(self.cond)

    def can_concat(self, other):
        return self.cond == other.cond

    def concat(self, others):
        return self.cond

    def size(self):
        return [1]


class CONDList(CONDRegular):
    """Several tensors."""

    def process_cond(self, batch_size, area=None, **_more):
        return self._copy_with([repeat_to_batch_size(each, batch_size) for each in self.cond])

    def can_concat(self, other):
        return [each.shape for each in self.cond] == [each.shape for each in other.cond]

    def concat(self, others):
        return [torch.cat(parts) for parts in zip(self.cond, *(other.cond for other in others), strict=True)]

    def size(self):
        elements = sum(math.prod(each.shape) for each in self.cond)
        width = self.cond[0].shape[1]
        return [1, width, elements // width]
