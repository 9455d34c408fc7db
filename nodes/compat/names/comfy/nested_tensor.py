"""`comfy.nested_tensor`: tensors of several shapes that go through a sampler as one."""

import torch


class NestedTensor:
    is_nested = True

    def __init__(self, tensors):
        self.tensors = list(tensors)

    def _each(self, act, other=None):
        if isinstance(other, NestedTensor):
            return NestedTensor([act(a, b) for a, b in zip(self.tensors, other.tensors, strict=True)])
        return NestedTensor([act(tensor, other) for tensor in self.tensors])

    def __add__(self, other):
        return self._each(lambda a, b: a + b, other)

    __radd__ = __add__

    def __sub__(self, other):
        return self._each(lambda a, b: a - b, other)

    def __rsub__(self, other):
        return self._each(lambda a, b: b - a, other)

    def __mul__(self, other):
        return self._each(lambda a, b: a * b, other)

    __rmul__ = __mul__

    def __truediv__(self, other):
        return self._each(lambda a, b: a / b, other)

    def __rtruediv__(self, other):
        return self._each(lambda a, b: b / a, other)

    def __getitem__(self, index):
        return self._each(lambda a, at: a[at], index)

    def to(self, *args, **more):
        return NestedTensor([tensor.to(*args, **more) for tensor in self.tensors])

    def clone(self):
        return NestedTensor([tensor.clone() for tensor in self.tensors])

    def unbind(self):
        return self.tensors

    def new_ones(self, *args, **more):
        return self.tensors[0].new_ones(*args, **more)

    @property
    def shape(self):
        return self.tensors[0].shape

    @property
    def ndim(self):
        return self.tensors[0].ndim

    @property
    def device(self):
        return self.tensors[0].device

    @property
    def dtype(self):
        return self.tensors[0].dtype

    @property
    def layout(self):
        return self.tensors[0].layout

    def size(self, *args):
        return self.tensors[0].size(*args)


def cat_nested(tensors, *args, **more):
    return NestedTensor(
        [torch.cat(parts, *args, **more) for parts in zip(*(one.tensors for one in tensors), strict=True)]
    )
