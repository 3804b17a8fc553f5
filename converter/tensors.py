"""Which input of the model takes which columns, and which of its numbers each output of the card means."""

from collections.abc import Sequence

from converter import card
from converter.errors import ConverterError
from converter.job import Column
from edge_agent.config.fields import nearest
from edge_agent.core.manifest import InputTensor, Limits, Output, Tensor


def fill(model: str, found: Sequence[Tensor], columns: Sequence[Column], window: int) -> list[InputTensor]:
    """Return the inputs of `model` with the columns that fill them. Raises `ConverterError`."""
    if len(found) > 1 or any(c.tensor for c in columns):
        _require_names(model, found, columns)
        by_tensor = {t.name: [c.name for c in columns if c.tensor == t.name] for t in found}
    else:
        by_tensor = {found[0].name: [c.name for c in columns]}
    filled = [InputTensor(name=t.name, shape=t.shape, columns=by_tensor[t.name]) for t in found]
    for tensor in filled:
        if not tensor.columns:
            raise ConverterError(
                f"{model}: no column of the card goes to its input {tensor.name!r} {_shape(tensor)}; "
                f'give some [[inputs]] tensor = "{tensor.name}"'
            )
        whole = tensor.elements % len(tensor.columns) == 0
        if not whole or tensor.rows > window or (len(filled) == 1 and tensor.rows < window):
            raise ConverterError(_does_not_fit(model, tensor, window, len(filled)))
    longest = max(t.rows for t in filled)
    if longest < window:
        raise ConverterError(
            f"{model}: no input of it takes more than {longest} rows; correct the card's `window` {window}"
        )
    return filled


def _does_not_fit(model: str, tensor: InputTensor, window: int, count: int) -> str:
    columns = len(tensor.columns)
    if count == 1:
        return (
            f"{model}: takes {tensor.elements} numbers {_shape(tensor)}, the card's window x inputs makes "
            f"{window * columns}; correct the card's `window` or `inputs`"
        )
    return (
        f"{model}: its input {tensor.name!r} takes {tensor.elements} numbers {_shape(tensor)}, which are not "
        f"1 to {window} rows of {columns} columns; correct the card's `window`, or which [[inputs]] name it"
    )


def _require_names(model: str, found: Sequence[Tensor], columns: Sequence[Column]) -> None:
    known = [t.name for t in found]
    for column in columns:
        if not column.tensor:
            raise ConverterError(
                f"{model}: has {len(found)} inputs, {_list(found)}; say in the card to which one "
                f'{column.name!r} goes: tensor = "{known[0]}" in its [[inputs]], or in [tensors]'
            )
        if column.tensor not in known:
            raise ConverterError(
                f"{model}: has no input {column.tensor!r}, to which the card gives {column.name!r}; "
                f"its inputs are {_list(found)}; {nearest(column.tensor, known)}"
            )


def explain(
    said: Sequence[card.Output], found: Sequence[Tensor], inputs: Sequence[InputTensor]
) -> list[Output]:
    """Return what the card says of the model's outputs, completed by what the model has.

    Raises `ConverterError` where a number of the model could mean more than one thing.
    """
    return [_explain(output, _tensor(output, found), inputs) for output in said]


def _tensor(output: card.Output, found: Sequence[Tensor]) -> Tensor:
    if not output.tensor and len(found) == 1:
        return found[0]
    for tensor in found:
        if tensor.name == output.tensor:
            return tensor
    which = f"no output {output.tensor!r}" if output.tensor else f"{len(found)} outputs"
    raise ConverterError(
        f"output {output.name!r}: the model has {which}; write in the card's [[outputs]] which one it is: "
        f'tensor = "{found[0].name}", of {_list(found)}'
    )


def _explain(output: card.Output, tensor: Tensor, inputs: Sequence[InputTensor]) -> Output:
    return Output(
        name=output.name,
        kind=output.kind,
        tensor=tensor.name,
        element=_element(output, tensor),
        unit=output.unit,
        scale=1.0 if output.scale is None else output.scale,
        offset=output.offset or 0.0,
        classes=output.classes,
        normal=output.normal,
        of=_rebuilt(output, tensor, inputs) if output.kind == "reconstruction_error" else output.of,
        horizon=output.horizon,
        limits=_limits(output.limits),
        warning=_limits(output.warning),
    )


def _element(output: card.Output, tensor: Tensor) -> int:
    size, shape = tensor.elements, f"tensor {tensor.name!r} has the shape {_shape(tensor)}"
    if output.kind == "reconstruction_error":
        return 0
    if output.kind == "class":
        if len(output.classes) != size:
            raise ConverterError(
                f"output {output.name!r}: {shape}, the card names {len(output.classes)} classes; "
                f"name {size} in `classes`, in the order of the model, or another `tensor`"
            )
        return 0
    if output.element is None and size > 1:
        raise ConverterError(
            f"output {output.name!r}: {shape}, {size} numbers, and {output.kind} is one of them; write in "
            f"the card's [[outputs]] which one: element = 0 to {size - 1}, counted row after row"
        )
    element = output.element or 0
    if not 0 <= element < size:
        raise ConverterError(
            f"output {output.name!r}: {shape}, so `element` {element} is not 0 to {size - 1}"
        )
    return element


def _rebuilt(output: card.Output, tensor: Tensor, inputs: Sequence[InputTensor]) -> str:
    able = [t.name for t in inputs if t.elements == tensor.elements]
    if output.of in able or (not output.of and len(able) == 1):
        return output.of or able[0]
    raise ConverterError(
        f"output {output.name!r}: tensor {tensor.name!r} of the shape {_shape(tensor)} rebuilds an input "
        f"of as many numbers, and the model has {_list(inputs)}; write in the card's [[outputs]] which one: "
        f'of = "{(able or [inputs[0].name])[0]}", or correct `tensor`'
    )


def _limits(given: card.Limits | None) -> Limits | None:
    if given is None:
        return None
    delays = float(given.on_delay), float(given.off_delay)
    return Limits(on=given.on, off=given.off, when=given.when, on_delay=delays[0], off_delay=delays[1])


def _list(tensors: Sequence[Tensor]) -> str:
    return ", ".join(f"{t.name!r} {_shape(t)}" for t in tensors)


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape[1:])
