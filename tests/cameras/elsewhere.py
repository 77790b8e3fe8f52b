"""A pretended GPU: its tensors compute on the CPU, but refuse to meet the CPU's own."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

ELSEWHERE, CPU = torch.device("cuda", 0), torch.device("cpu")
BETWEEN = {Tensor.to, Tensor.cpu, Tensor.copy_, Tensor.__setitem__, Tensor.__getitem__, torch.as_tensor}
"""What may take tensors of two devices: copies from one to the other, and picking by indices that lie on the CPU."""


class Elsewhere(torch.Tensor):
    """A tensor of the pretended device; what is computed from it is one too."""


class MixedDevices(AssertionError):
    """An operation took tensors of two devices, which fails on a GPU."""


def elsewhere(tensor: Tensor) -> Tensor:
    """The tensor on the pretended device."""
    return tensor.detach().clone().as_subclass(Elsewhere)


class PretendedDevice(TorchFunctionMode):
    """While active, `device` tells the two kinds of tensors apart and operations that mix them raise MixedDevices."""

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        places = [ELSEWHERE if isinstance(tensor, Elsewhere) else CPU for tensor in tensors]
        if func == Tensor.device.__get__:
            return places[0]
        if func in (Tensor.numpy, Tensor.__array__) and ELSEWHERE in places:
            raise MixedDevices("numpy takes tensors of the CPU only")
        here_by_there = func is Tensor.__getitem__ and places[0] == CPU
        if len(set(places)) > 1 and (func not in BETWEEN or here_by_there):
            raise MixedDevices(f"{getattr(func, '__name__', func)} takes tensors of {places}")
        target = places[0] if places else CPU
        if func is Tensor.cpu:
            target = CPU
        elif func is Tensor.to:
            args, target = self._to(args, places)
        if "device" in kwargs:
            device = kwargs.pop("device")
            target = target if device is None else torch.device(device)
        generator = kwargs.get("generator")
        if generator is not None and generator.device.type != target.type:
            raise MixedDevices(f"{func.__name__} draws on {target} with a generator of {generator.device}")
        found = func(*args, **kwargs)
        kind = Elsewhere if target.type == ELSEWHERE.type else Tensor
        return tree_map_only(Tensor, lambda tensor: tensor.as_subclass(kind), found)

    @staticmethod
    def _to(args: tuple[Any, ...], places: list[torch.device]) -> tuple[tuple[Any, ...], torch.device]:
        """The arguments of `to` without the device, and where it leads."""
        if len(places) > 1:
            return args, places[1]
        devices = [torch.device(arg) for arg in args[1:] if isinstance(arg, str | torch.device)]
        rest = [arg for arg in args[1:] if not isinstance(arg, str | torch.device)]
        return (args[0], *(rest or [args[0].dtype])), (devices or places)[0]
