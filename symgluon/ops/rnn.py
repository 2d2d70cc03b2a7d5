"""The fused recurrent operator: all layers and directions over a sequence in one call."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from symgluon.errors import UnsupportedOpError
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType
from symgluon.ops import rnn_scan, rnn_scan_grad
from symgluon.ops.apply import F
from symgluon.ops.checks import check_dtypes, check_rank, check_shape, deferred, is_int
from symgluon.ops.kernels.rnn import RnnConfig, param_size, rnn, rnn_grad
from symgluon.ops.rnn_unrolled import unrolled
from symgluon.ops.state import state
from symgluon.ops.tape import vjp

#: MXNet's gate order to ONNX's: LSTM i f c o -> i o f c, GRU r z n -> z r h
_GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn_tanh": (0,), "rnn_relu": (0,)}
_ONNX = {"lstm": "LSTM", "gru": "GRU", "rnn_tanh": "RNN", "rnn_relu": "RNN"}


class _Recurrent(Op):
    mode: str
    state_size: int
    num_layers: int = 1
    bidirectional: bool = False
    projection_size: int | None = None
    clip_min: float | None = None
    clip_max: float | None = None
    clip_nan: bool = False
    eager_min: ClassVar[int | None] = 2000

    @property
    def config(self) -> RnnConfig:
        """The attributes as the kernels take them."""
        clip = None
        if self.clip_min is not None and self.clip_max is not None:
            clip = (self.clip_min, self.clip_max, self.clip_nan)
        mode: Any = self.mode
        return RnnConfig(
            mode, self.state_size, self.num_layers, self.bidirectional, self.projection_size, clip
        )


@op()
class Rnn(_Recurrent):
    """Run a recurrent net over data (T, N, C).

    `params` is one flat vector (layout: `kernels.rnn`), states are (layers * directions, N, H),
    `masks` (layers - 1, T, N, D * H) are factors between layers (dropout).  Results: output
    (T, N, D * H), hidden state, for LSTM the cell state, and with `reserve` what the gradient reads.
    """

    reserve: bool = False

    def infer_inputs(
        self,
        data: Any,
        params: Any,
        hidden: Any,
        cell: Any = None,
        sequence_length: Any = None,
        masks: Any = None,
    ) -> Any:
        width = None if data.shape is None else data.shape[2]
        size = None if width is None else param_size(self.config, width)
        batch = None if data.shape is None else data.shape[1]
        slots = self.num_layers * self.config.directions
        return (
            data,
            deferred(params, (size,)),
            deferred(hidden, (slots, batch, self.config.hidden)),
            deferred(cell, (slots, batch, self.state_size)),
            sequence_length,
            masks,
        )

    def infer(
        self,
        data: TensorType,
        params: TensorType,
        hidden: TensorType,
        cell: TensorType | None = None,
        sequence_length: TensorType | None = None,
        masks: TensorType | None = None,
    ) -> Any:
        config = self.config
        check_dtypes("RNN", data, params, hidden, cell)
        check_rank("RNN", "data", data.shape, 3, 3)
        steps, batch, width = data.known_shape
        width = int(width)  # the flat vector is cut at numbers: a guard where it is symbolic
        slots = config.num_layers * config.directions
        check_shape("RNN", "parameters", params.shape, (param_size(config, width),))
        check_shape("RNN", "state", hidden.shape, (slots, batch, config.hidden))
        out = data.with_shape((steps, batch, config.hidden * config.directions))
        results = [out, data.with_shape((slots, batch, config.hidden))]
        if cell is not None:
            check_shape("RNN", "state_cell", cell.shape, (slots, batch, self.state_size))
            results.append(data.with_shape((slots, batch, self.state_size)))
        if sequence_length is not None:
            check_shape("RNN", "sequence_length", sequence_length.shape, (batch,))
        if masks is not None:
            width = config.hidden * config.directions
            check_shape("RNN", "masks", masks.shape, (self.num_layers - 1, steps, batch, width))
        if self.reserve:
            wide = np.result_type(data.dtype, np.float32)
            results.append(TensorType((slots, steps, batch, config.reserve_width), wide))
        return tuple(results)

    def kernel(
        self,
        data: Any,
        params: Any,
        hidden: Any,
        cell: Any = None,
        sequence_length: Any = None,
        masks: Any = None,
    ) -> Any:
        out, hidden_out, cell_out, reserve = rnn(
            data, params, hidden, cell, self.config, masks, sequence_length
        )
        results = [out, hidden_out] + ([] if cell is None else [cell_out])
        return tuple(results + ([reserve] if self.reserve else []))

    def grad(
        self,
        ct: Any,
        y: Any,
        data: Any,
        params: Any,
        hidden: Any,
        cell: Any = None,
        sequence_length: Any = None,
        masks: Any = None,
    ) -> Any:
        attrs = {k: v for k, v in self.attrs().items() if k != "reserve"}
        cts = list(ct[: 2 if cell is None else 3]) + ([None] if cell is None else [])
        reserve = y[-1] if self.reserve else None
        grads = F.rnn_grad(
            *cts, data, params, hidden, cell, reserve, sequence_length, masks, **attrs
        )
        g_cell = grads[3] if cell is not None else None
        return grads[0], grads[1], grads[2], g_cell, None, None

    def decompose(
        self,
        data: Any,
        params: Any,
        hidden: Any,
        cell: Any = None,
        sequence_length: Any = None,
        masks: Any = None,
    ) -> Any:
        if self.reserve:
            raise UnsupportedOpError("rnn: what its gradient reads only the kernel computes")
        return unrolled(self.config, data, params, hidden, cell, sequence_length, masks)

    def onnx(
        self,
        g: Any,
        data: Any,
        params: Any,
        hidden: Any,
        cell: Any = "",
        sequence_length: Any = "",
        masks: Any = "",
    ) -> Any:
        if self.reserve and rnn_scan.fits(self, g, data, sequence_length):
            return rnn_scan.forward(self, g, data, params, hidden, cell, masks)
        width = g.shape(data)[2]
        plain = not self.projection_size and self.clip_min is None and not masks
        if g.dtype(data) == np.float64:  # a type of ONNX's, which no kernel of its Runtime has
            if g.microsoft:
                raise UnsupportedOpError("rnn: ONNX Runtime computes it in float32 only")
            plain = plain and not is_int(g.shape(data)[0])
        if self.reserve or not plain or not is_int(width):
            return _unrolled_form(g, data)
        lengths = g.cast(sequence_length, np.int32) if sequence_length else ""
        return _Layers(self, g, params, width).run(data, hidden, cell, lengths)

    samples = [
        S((3, 2, 2), 4 * 3 * (2 + 3) + 8 * 3, (1, 2, 3), (1, 2, 3), None, None, mode="lstm",
          state_size=3),
        S((3, 2, 2), 2 * (3 * 3 * (2 + 3) + 6 * 3) + 2 * (3 * 3 * (6 + 3) + 6 * 3), (4, 2, 3),
          None, None, None, mode="gru", state_size=3, num_layers=2, bidirectional=True),
        S((3, 1, 2), 3 * (2 + 3) + 2 * 3, (1, 1, 3), None, None, None, mode="rnn_tanh",
          state_size=3),
        S((2, 2, 2), 4 * 3 * (2 + 2) + 8 * 3 + 2 * 3, (1, 2, 2), (1, 2, 3), None, None,
          mode="lstm", state_size=3, projection_size=2),
        S((3, 2, 2), 4 * 3 * (2 + 3) + 8 * 3, (1, 2, 3), (1, 2, 3),
          lambda rng: np.array([3, 1], np.int32), None, mode="lstm", state_size=3),
    ]  # fmt: skip


def _unrolled_form(g: Any, data: Any) -> Any:
    """`NotImplemented`, which means by `decompose`, if the number of steps is fixed."""
    if is_int(g.shape(data)[0]):
        return NotImplemented
    raise UnsupportedOpError(
        "rnn: ONNX has no operator for this form, and a free number of steps cannot be unrolled",
        hint="export with a fixed number of steps",
    )


class _Layers:
    """Layer by layer lowering to ONNX's LSTM, GRU and RNN."""

    def __init__(self, op: Rnn, g: Any, params: Any, width: int) -> None:
        self.op, self.g, self.params, self.width = op, g, params, width
        self.config = op.config
        self.gates = len(_GATES[op.mode])
        self.size = op.state_size
        self.at = 0

    def take(self, rows: int, columns: int) -> Any:
        """Next (directions-less) block of the flat vector, gates in ONNX's order."""
        g, count = self.g, rows * columns
        flat = g.slice(self.params, [self.at], [self.at + count], [0])
        self.at += count
        block = g.Reshape(flat, g.ints([self.gates, rows // self.gates, columns]))
        order = _GATES[self.op.mode]
        if order != tuple(range(self.gates)):
            block = g.Gather(block, g.ints(order), axis=0)
        return g.Reshape(block, g.ints([1, rows, columns]))

    def weights(self) -> list[list[Any]]:
        """Weights and biases a layer: [W, R, B], directions joined."""
        g, rows = self.g, self.gates * self.size
        directions = self.config.directions
        matrices, vectors = [], []
        for layer in range(self.config.num_layers):
            width = self.config.input_size(layer, self.width)
            parts = [(self.take(rows, width), self.take(rows, self.size))
                     for _ in range(directions)]  # fmt: skip
            matrices.append([self.join([p[i] for p in parts]) for i in (0, 1)])
        for _ in range(self.config.num_layers):
            parts2 = []
            for _ in range(directions):
                pair = [g.Reshape(self.take(rows, 1), g.ints([1, rows])) for _ in range(2)]
                parts2.append(g.Concat(*pair, axis=1))
            vectors.append(self.join(parts2))
        return [[*m, v] for m, v in zip(matrices, vectors, strict=True)]

    def join(self, parts: list[Any]) -> Any:
        """Join along the directions."""
        return parts[0] if len(parts) == 1 else self.g.Concat(*parts, axis=0)

    def run(self, x: Any, hidden: Any, cell: Any, lengths: Any) -> Any:
        """Emit all layers."""
        g, directions = self.g, self.config.directions
        attrs: dict[str, Any] = {"hidden_size": self.size}
        attrs["direction"] = "bidirectional" if directions == 2 else "forward"
        if self.op.mode == "gru":
            attrs["linear_before_reset"] = 1
        if self.op.mode == "rnn_relu":
            attrs["activations"] = ["Relu"] * directions
        states, cells = [], []
        for layer, (w, r, b) in enumerate(self.weights()):
            span = ([layer * directions], [(layer + 1) * directions], [0])
            h0 = g.slice(hidden, *span) if self.config.num_layers > 1 else hidden
            inputs = [x, w, r, b, lengths, h0]
            if self.op.mode == "lstm":
                inputs.append(g.slice(cell, *span) if self.config.num_layers > 1 else cell)
            count = 3 if self.op.mode == "lstm" else 2
            out, *finals = g.op(_ONNX[self.op.mode], inputs, outputs=count, **attrs)
            states.append(finals[0])
            cells += finals[1:]
            x = g.Reshape(g.transpose(out, (0, 2, 1, 3)), g.ints([0, 0, -1]))
        results = [x, self.join(states)]
        return (*results, self.join(cells)) if cells else tuple(results)


@op()
class RnnGrad(_Recurrent):
    """Cotangents of data, parameters and states of `rnn`."""

    def infer(
        self,
        d_output: TensorType | None,
        d_hidden: TensorType | None,
        d_cell: TensorType | None,
        data: TensorType,
        params: TensorType,
        hidden: TensorType,
        cell: TensorType | None = None,
        reserve: TensorType | None = None,
        sequence_length: TensorType | None = None,
        masks: TensorType | None = None,
    ) -> Any:
        forward = Rnn(**self.attrs()).infer(data, params, hidden, cell, sequence_length, masks)
        for given, result in zip((d_output, d_hidden, d_cell), forward, strict=False):
            if given is not None:
                check_shape(self.name, "cotangent", given.shape, result.shape)
        return (data, params, hidden) if cell is None else (data, params, hidden, cell)

    def kernel(
        self,
        d_output: Any,
        d_hidden: Any,
        d_cell: Any,
        data: Any,
        params: Any,
        hidden: Any,
        cell: Any = None,
        reserve: Any = None,
        sequence_length: Any = None,
        masks: Any = None,
    ) -> Any:
        found = rnn_grad(
            d_output, d_hidden, d_cell, data, params, hidden, cell, reserve, self.config, masks,
            sequence_length,
        )  # fmt: skip
        return found[:3] if cell is None else found

    def decompose(
        self,
        d_output: Any,
        d_hidden: Any,
        d_cell: Any,
        data: Any,
        params: Any,
        hidden: Any,
        cell: Any = None,
        reserve: Any = None,
        sequence_length: Any = None,
        masks: Any = None,
    ) -> Any:
        def run(data: Any, params: Any, hidden: Any, cell: Any) -> Any:
            return unrolled(self.config, data, params, hidden, cell, sequence_length, masks)

        inputs = [data, params, hidden, cell]
        cts = [d_output, d_hidden] + ([] if cell is None else [d_cell])
        grads = vjp(run, inputs, cts)
        given = [(g, x) for g, x in zip(grads, inputs, strict=True) if x is not None]
        return tuple(F.zeros_like(x) if g is None else g for g, x in given)

    def onnx(self, g: Any, *names: str) -> Any:
        lengths = names[8] if len(names) > 8 else ""
        if len(names) > 7 and names[7] and rnn_scan.fits(self, g, names[3], lengths):
            return rnn_scan_grad.backward(self, g, names)
        if g.microsoft:  # in memory the kernel is faster than the unrolled graph is built
            raise UnsupportedOpError("rnn_grad runs as a kernel")
        return _unrolled_form(g, names[3])

    samples = [
        S((2, 2, 3), None, None, (2, 2, 2), 3 * (2 + 3) + 2 * 3, (1, 2, 3), None, None, None, None,
          mode="rnn_tanh", state_size=3),
        S(None, (1, 1, 3), None, (2, 1, 2), 3 * (2 + 3) + 2 * 3, (1, 1, 3), None, None, None, None,
          mode="rnn_relu", state_size=3),
    ]  # fmt: skip


def run_rnn(
    data: Any,
    params: Any,
    hidden: Any,
    cell: Any = None,
    sequence_length: Any = None,
    *,
    mode: str,
    state_size: int,
    num_layers: int = 1,
    bidirectional: bool = False,
    projection_size: int | None = None,
    dropout: float = 0.0,
    clip: tuple[float | None, float | None, bool] = (None, None, False),
) -> tuple[Any, ...]:
    """Apply `rnn`; in training mode with dropout between the layers.

    Returns
    -------
    tuple
        Output, hidden state and, for LSTM, cell state.
    """
    config = Rnn(mode, state_size, num_layers, bidirectional, projection_size).config
    masks = None
    if dropout > 0 and state.training and num_layers > 1:
        width = config.hidden * config.directions
        shape = (num_layers - 1, data.shape[0], data.shape[1], width)
        draw = F.random_uniform(shape=shape, dtype=np.dtype("float32"))
        keep = F.cast(F.greater_equal(draw, np.asarray(dropout, np.float32)), dtype=data.dtype)
        masks = keep * np.asarray(1 / (1 - dropout) if dropout < 1 else 0.0, data.dtype)
    results: tuple[Any, ...] = F.rnn(
        data,
        params,
        _for_batch(hidden, data),
        None if cell is None or mode != "lstm" else _for_batch(cell, data),
        sequence_length,
        masks,
        mode=mode,
        state_size=state_size,
        num_layers=num_layers,
        bidirectional=bidirectional,
        projection_size=projection_size,
        clip_min=clip[0],
        clip_max=clip[1],
        clip_nan=bool(clip[2]),
        reserve=state.training,
    )
    return results[:-1] if state.training else results


def _for_batch(initial: Any, data: Any) -> Any:
    """A state made for one sample serves the whole batch (1.x's unknown batch size)."""
    one = initial.shape[1]
    if is_int(one) and one == 1 and not (is_int(data.shape[1]) and data.shape[1] == 1):
        shape = (initial.shape[0], data.shape[1], initial.shape[2])
        return F.broadcast_to(initial, shape=shape)
    return initial
