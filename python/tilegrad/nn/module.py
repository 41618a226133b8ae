"""Module: what layers and networks are made of."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from .. import _C
from ..autograd import no_grad
from ..capture import depends_on
from ..operands import other_data
from ..ops.transfer import names_device
from ..scopes import layer_scope
from ..tensor import Tensor
from .hooked import Hooked
from .layer_path import name_layer
from .parameter import Parameter
from .state import Incompatible, load_state
from .tree import Tree

if TYPE_CHECKING:
    from .summary import Summary

__all__ = ["Given", "Module"]

M = TypeVar("M", bound="Module")


class Given(NamedTuple):
    """The arguments that a module was constructed with; ``repr`` and files are made from them."""

    positional: list[Any]
    named: dict[str, Any]


class Module(Tree, Hooked):
    """The base of layers and networks.

    A subclass sets parameters, buffers and other modules as attributes in ``__init__`` and computes in ``forward``.
    Attributes are found by their kind: a :class:`Parameter` is a parameter, a module a submodule, a tensor given to
    :meth:`register_buffer` a buffer. Lists of modules go into :class:`ModuleList` or :class:`ModuleDict`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> class Scale(tg.nn.Module):
    ...     def __init__(self, size):
    ...         self.factor = tg.nn.Parameter(tg.ones(size))
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> layer = Scale(2)
    >>> layer(tg.tensor([1.0, 2.0])).detach()
    tensor([1., 2.])
    >>> [name for name, _ in layer.named_parameters()]
    ['factor']
    """

    training: bool
    _inferred: Mapping[str, int] = {}  # sizes that the first input told
    _statistics_frozen = False  # whether running statistics stay while training

    _given: Given

    # In __new__, so that a subclass need not call super().__init__().
    def __new__(cls, *args: Any, **kwargs: Any) -> Module:
        if (args or kwargs) and cls.__init__ is object.__init__:  # which would let them pass unseen
            given = ", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())])
            raise _C.ArgumentError(f"{cls.__name__}: takes no arguments, found {given:.80}")
        module = super().__new__(cls)
        module.__dict__.update(
            training=True,
            _given=Given(list(args), dict(kwargs)),
            _buffers=set(),
            _hooks={},
            _pre_hooks={},
            _backward_hooks={},
        )
        return module

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        try:
            if self._unbuilt:
                self._build_from(inputs)
            if _C.is_observed():
                depends_on(self._settings)
                with layer_scope(self):
                    return self._compute(inputs, named)
            return self._compute(inputs, named)
        except _C.TilegradError as error:
            name_layer(error, self)
            raise
        except (TypeError, AttributeError) as error:
            refused = other_data(error, self.forward, inputs, named)
            if not isinstance(refused, _C.TilegradError):
                raise
            name_layer(refused, self)
            raise refused from None

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, (list, tuple, dict)):
            items = value.values() if isinstance(value, dict) else value
            if any(isinstance(item, (Module, Parameter)) for item in items):
                warnings.warn(
                    f"{type(self).__name__}.{name} is a plain {type(value).__name__} of modules or parameters, which "
                    "are not found there (not trained, not saved): use nn.ModuleList or nn.ModuleDict",
                    stacklevel=2,
                )
        elif isinstance(self.__dict__.get(name), Parameter) and not (value is None or isinstance(value, Parameter)):
            raise _C.DTypeError(
                f"{type(self).__name__}.{name} is a parameter, which a {type(value).__name__} would replace, not to be "
                "trained or saved any more: assign nn.Parameter(tensor), or copy values by .copy_() under tg.no_grad()"
            )
        elif isinstance(value, Tensor) and not isinstance(value, Parameter) and value.requires_grad and value.is_leaf:
            warnings.warn(
                f"{type(self).__name__}.{name} is a tensor that wants a gradient but no parameter, so it is not found "
                "(not trained, not saved): use nn.Parameter(tensor)",
                stacklevel=2,
            )
        object.__setattr__(self, name, value)
        _C.changed()

    def _settings(self) -> tuple[Any, ...]:
        """What a captured function depends on besides its arguments: the mode, and which parameters are trained."""
        own = [value for value in vars(self).values() if isinstance(value, Tensor)]
        children = [id(child) for _, child in self.named_children()]
        hooks = (*self._hooks, *self._pre_hooks, *self._backward_hooks)
        tensors = [(id(tensor), tensor.requires_grad, tensor._hook_count) for tensor in own]
        return (self.training, self._statistics_frozen, hooks, *children, *tensors)

    # State.

    def state_dict(self) -> OrderedDict[str, Tensor]:
        """All parameters and buffers by path, as tensors without gradients that share the module's memory.

        A tensor that is found under several paths is listed under the first.
        """
        found = self._named_tensors(
            lambda module, name, value: isinstance(value, Parameter) or (name in module._buffers and value is not None)
        )
        return OrderedDict((path, tensor.detach()) for path, tensor in found)

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> Incompatible:
        """Copy values into the parameters and buffers.

        Parameters
        ----------
        state
            Tensors or NumPy arrays by path, of the shapes and dtypes of :meth:`state_dict`.
        strict
            Whether all paths must be the same on both sides; otherwise those on both sides are loaded.

        Returns
        -------
        Incompatible
            The paths that ``state`` lacks (``missing``) and those that the module lacks (``unexpected``).

        Raises
        ------
        StateDictError
            With every entry that does not fit; nothing has been changed then.
        """
        return load_state(self.state_dict(), state, strict, type(self).__name__)

    def zero_grad(self) -> None:
        """Set all gradients to zero, in place."""
        for parameter in self.parameters():
            if parameter.grad is not None:
                _C.fill_(parameter.grad, 0)

    def train(self: M, mode: bool = True) -> M:
        """Switch to training: dropout drops, batch normalisation takes the statistics of the batch.

        Parameters
        ----------
        mode
            False switches to evaluation, as :meth:`eval`.

        Returns
        -------
        Module
            This module; all modules inside are switched too.

        Raises
        ------
        ArgumentError
            If ``mode`` is something else, as in ``train(data)``, which :mod:`tilegrad.train` is for.
        """
        if not isinstance(mode, bool):
            raise _C.ArgumentError(f"{type(self).__name__}.train: mode must be True or False, found {mode!r:.60}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        """Switch to evaluation: the output of a sample depends on that sample alone."""
        return self.train(False)

    def freeze(self: M, statistics: bool = False) -> M:
        """Stop collecting gradients: optimizers leave all parameters as they are.

        A part of a model is frozen by its own: ``model.features.freeze()``. Optimizers keep no state for frozen
        parameters, and may be given them all the same.

        Parameters
        ----------
        statistics
            Whether batch normalisation inside keeps its running statistics too, and uses them, while the model is
            trained. Otherwise they follow the batches, as in PyTorch; ``eval()`` would stop them until the next
            ``train()``.

        Examples
        --------
        >>> import tilegrad as tg
        >>> model = tg.nn.Sequential(tg.nn.Linear(4, 3), tg.nn.BatchNorm1d(3), tg.nn.Linear(3, 2))
        >>> for layer in list(model)[:-1]:
        ...     _ = layer.freeze(statistics=True)
        >>> [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        ['2.weight', '2.bias']
        """
        for parameter in self.parameters():
            parameter.requires_grad = False
        if statistics:
            self._set_statistics_frozen(True)
        return self

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Collect gradients or stop it: :meth:`unfreeze` or :meth:`freeze`.

        Parameters
        ----------
        requires_grad
            Whether gradients are collected.

        Returns
        -------
        Module
            This module.
        """
        return self.unfreeze() if requires_grad else self.freeze()

    def unfreeze(self: M) -> M:
        """Collect gradients again, and running statistics where these were frozen."""
        for parameter in self.parameters():
            parameter.requires_grad = True
        self._set_statistics_frozen(False)
        return self

    def _set_statistics_frozen(self, frozen: bool) -> None:
        for module in self.modules():
            module._statistics_frozen = frozen

    def to(self: M, target: Any) -> M:
        """Move to a device, or change the dtype of all floating parameters and buffers.

        Tensors that change are new ones: make the optimizer afterwards.

        Parameters
        ----------
        target
            ``"cpu"``, ``"cuda"`` or ``"cuda:1"``, or a floating dtype as in :meth:`Tensor.astype`.
        """
        if names_device(target):
            device = _C.parse_device(target)
            return self._replace_tensors(lambda value: value if value.device == device else _C.to_device(value, device))
        dtype = _C.dtype(target)
        if not dtype.is_floating:
            raise _C.DTypeError(f"to: parameters must be floating, found {dtype.name}")
        return self._replace_tensors(
            lambda value: value.detach().astype(dtype) if value.dtype.is_floating and value.dtype != dtype else value
        )

    def _replace_tensors(self: M, change: Callable[[Tensor], Tensor]) -> M:
        """Put what ``change`` makes of each parameter and buffer in its place."""
        changed: dict[int, Tensor] = {}  # a shared tensor stays shared
        for module in self.modules():
            for name, value in vars(module).items():
                if not (isinstance(value, Parameter) or name in module._buffers) or value is None:
                    continue
                if id(value) not in changed:
                    new = change(value)
                    if new is not value and isinstance(value, Parameter):
                        new = Parameter(new, value.requires_grad)
                    changed[id(value)] = new
                if changed[id(value)] is not value:
                    setattr(module, name, changed[id(value)])
        return self

    # Sizes that are inferred.

    def _build_from(self, inputs: tuple[Any, ...]) -> None:
        """Make the parameters, once: no part of what a captured function does."""
        with _C.Unrecorded():
            self._create(*inputs)
            device = next((x.device for x in inputs if isinstance(x, _C.TensorBase)), "cpu")
            if device != "cpu":
                self.to(device)

    def _create(self, *inputs: Any) -> None:
        """Find sizes in the first input and give them to :meth:`_infer`; of layers that set ``_unbuilt``."""
        raise NotImplementedError

    def _make_if_known(self, size: int | None) -> None:
        """Make the parameters, or have them wait for the size of the first input; the end of such a layer's
        ``__init__``.
        """
        self._unbuilt = size is None
        if size is not None:
            self._make_parameters()

    def _make_parameters(self) -> None:
        """Make the parameters, when all sizes are known; of layers that set ``_unbuilt``."""
        raise NotImplementedError

    def _infer(self, **sizes: int) -> None:
        """Take inferred arguments as if they had been given."""
        from inspect import signature

        # Of __init__, not of the class: before Python 3.11 the latter is that of __new__, which takes anything.
        names = list(signature(type(self).__init__).parameters)[1:]
        for name, value in sizes.items():
            setattr(self, name, value)
            if names.index(name) < len(self._given.positional):
                self._given.positional[names.index(name)] = value
            else:
                self._given.named[name] = value
        self._make_parameters()
        self._inferred, self._unbuilt = sizes, False

    def build(self: M, *input_shapes: Sequence[int], dtype: Any = "float32") -> M:
        """Infer all sizes that were left out, by computing one sample of zeros.

        Parameters
        ----------
        input_shapes
            The shape of each input, without the batch: ``model.build((28, 28, 1))``.
        dtype
            The dtype of the inputs.
        """
        from ..ops import zeros

        modes = [(module, module.training) for module in self.modules()]
        tensors = (
            value for module in self.modules() for value in vars(module).values() if isinstance(value, Parameter)
        )
        device = next((parameter.device for parameter in tensors), "cpu")
        self.eval()
        try:
            with no_grad():
                self(*(zeros((1, *_shape(shape)), dtype, device) for shape in input_shapes))
        finally:
            for module, mode in modes:
                module.training = mode
        return self

    def summary(self, *input_shapes: Sequence[int], dtype: Any = "float32") -> Summary:
        """A table of the layers: output shapes, parameters, multiply-adds and bytes; builds the model.

        A layer that is used several times is shown once. Multiply-adds are those that the kernels of matrix products
        and convolutions tell of one sample, so layers of any kind are counted.

        Parameters
        ----------
        input_shapes
            The shape of each input, without the batch.
        dtype
            The dtype of the inputs.

        Examples
        --------
        >>> import tilegrad as tg
        >>> print(tg.nn.Sequential(tg.nn.Flatten(), tg.nn.Linear(64, 10)).summary((8, 8)))
        layer  kind     output   parameters  multiply-adds
        0      Flatten  (N, 64)           0              0
        1      Linear   (N, 10)         650            640
        650 parameters (2.5 KiB), 650 of them trainable
        one sample: 640 multiply-adds, outputs of 296 bytes
        """
        from .summary import summarize

        return summarize(self, input_shapes, dtype)

    # Text and copies.

    def config(self) -> Given:
        """The constructor's arguments, with sizes inferred since: ``type(m)(*positional, **named)`` makes another."""
        return self._given

    def __repr__(self) -> str:
        from .summary import describe

        return describe(self)

    def __copy__(self: M) -> M:
        """Another module around the same parameters."""
        copied = cast(M, type(self).__new__(type(self)))
        copied.__dict__.update(self.__dict__)
        copied.__dict__.update(
            _given=Given(list(self._given.positional), dict(self._given.named)),
            _buffers=set(self._buffers),
            _hooks=dict(self._hooks),
            _pre_hooks=dict(self._pre_hooks),
            _backward_hooks=dict(self._backward_hooks),
        )
        return copied


def _shape(shape: Any) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)
