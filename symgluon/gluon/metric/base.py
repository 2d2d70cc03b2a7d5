"""Base classes of metrics, their registry, and what they share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy

from symgluon import registry
from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ops.array import Array, wrap

REGISTRY: dict[str, type[EvalMetric]] = {}


class UseError(AttributeValueError, AssertionError):
    """A name or an argument that does not fit: an AssertionError in MXNet."""


# ---- registry ----------------------------------------------------------------------------------
def register(klass: type[EvalMetric], name: str | None = None) -> type[EvalMetric]:
    """Let a metric be created by a name; a class decorator.

    Parameters
    ----------
    klass : type
        Subclass of `EvalMetric`.
    name : str, optional
        The name, of any case; that of the class if left out.

    Returns
    -------
    type
        The class itself.
    """
    REGISTRY[(name or klass.__name__).lower()] = klass
    return klass


def alias(*aliases: str) -> Callable[[type[EvalMetric]], type[EvalMetric]]:
    """Class decorator: let a metric be created by further names, `aliases`."""

    def declare(klass: type[EvalMetric]) -> type[EvalMetric]:
        for name in aliases:
            register(klass, name)
        return klass

    return declare


def create(metric: Any, *args: Any, **kwargs: Any) -> Any:
    """Return a metric.

    Parameters
    ----------
    metric : str, callable, list, dict or EvalMetric
        A name; a function of label and prediction; a list of metrics, which become one; what
        `EvalMetric.get_config` returned; or a metric, which is returned.
    *args : object
        Arguments of the class.
    **kwargs : object
        Arguments of the class.

    Returns
    -------
    EvalMetric
        The metric.

    Raises
    ------
    AssertionError
        For an unknown name; the known ones are listed.
    """
    if isinstance(metric, EvalMetric):
        return metric
    if isinstance(metric, str) and metric[:1] in "[{" and metric:
        metric = json.loads(metric)
    if isinstance(metric, dict):
        kwargs = {**metric, **kwargs}
        metric = kwargs.pop("metric")
    if isinstance(metric, list):
        composite = CompositeEvalMetric()
        for each in metric:
            composite.add(create(each, *args, **kwargs))
        return composite
    if callable(metric):
        return CustomMetric(metric, *args, **kwargs)
    if not isinstance(metric, str):
        raise UseError(f"metric must be of string type, received {type(metric).__name__}")
    found = REGISTRY.get(metric.lower())
    if found is None:
        raise UseError(
            f"{metric} is not registered. Please register with metric.register first",
            hint=f"known: {', '.join(sorted(REGISTRY))}",
        )
    return found(*args, **kwargs)


# ---- helpers -----------------------------------------------------------------------------------
def numbers(x: Any) -> numpy.ndarray:
    """NumPy content of the array `x`."""
    return x.numpy_content("a metric") if isinstance(x, Array) else numpy.asarray(x)


def check_label_shapes(
    labels: Any, preds: Any, wrap: bool = False, shape: bool = False
) -> tuple[Any, Any]:
    """Refuse labels and predictions that do not fit each other.

    Parameters
    ----------
    labels, preds : array or list of array
        What is compared.
    wrap : bool
        Put single arrays into lists.
    shape : bool
        Compare shapes, not lengths.

    Returns
    -------
    tuple
        Labels and predictions.

    Raises
    ------
    ShapeError
        If they differ; a ValueError.
    """
    sizes = (labels.shape, preds.shape) if shape else (len(labels), len(preds))
    if sizes[0] != sizes[1]:
        raise ShapeError(
            f"Shape of labels {sizes[0]} does not match shape of predictions {sizes[1]}"
        )
    if wrap:
        labels = [labels] if isinstance(labels, Array) else labels
        preds = [preds] if isinstance(preds, Array) else preds
    return labels, preds


def pairs(labels: Any, preds: Any) -> Iterable[tuple[numpy.ndarray, numpy.ndarray]]:
    """Labels and predictions, array by array.

    Parameters
    ----------
    labels, preds : array or list of array
        As many of one as of the other.

    Returns
    -------
    iterable of tuple of two numpy.ndarray
        Label and prediction.
    """
    labels, preds = check_label_shapes(labels, preds, True)
    return [(numbers(a), numbers(b)) for a, b in zip(labels, preds, strict=True)]


def predict_with_threshold(pred: Any, threshold: Any = 0.5) -> Any:
    """Whether predictions lie above a threshold.

    Parameters
    ----------
    pred : array (..., C), float
        Predictions.
    threshold : float or array (C,)
        One for all, or one a class.

    Returns
    -------
    array (..., C), bool
        The answers.

    Raises
    ------
    ValueError
        For a threshold of another type.
    """
    if isinstance(threshold, int | float | Array | numpy.ndarray):
        found = numbers(pred) > numbers(threshold)
        return wrap(found, type(pred)) if isinstance(pred, Array) else found
    raise ValueError(f"{type(threshold)} is a wrong type for threshold!")


def one_hot(idx: Any, num: int) -> Any:
    """Rows of a unit matrix.

    Parameters
    ----------
    idx : array (N,), int
        Class numbers.
    num : int
        Number of classes.

    Returns
    -------
    array (N, num), int64
        Ones at the class numbers; all 0 for a number that is no class.
    """
    found = (numpy.arange(num) == numbers(idx)[:, None]).astype(numpy.int64)
    return wrap(found, type(idx)) if isinstance(idx, Array) else found


# ---- classes -----------------------------------------------------------------------------------
class EvalMetric:
    """Base class: a mean of ``sum_metric`` over ``num_inst``.

    A subclass defines ``update(self, labels, preds)``, which adds to both.

    Parameters
    ----------
    name : str
        What `get` calls it.
    output_names, label_names : list of str, optional
        Which predictions and labels `update_dict` takes; all if left out.
    **kwargs : object
        Further arguments of the subclass, for `get_config`.

    Notes
    -----
    Everything is computed in NumPy, in float64.  Source: MXNet's ``gluon.metric.EvalMetric``.

    Examples
    --------
    >>> import symgluon as mx
    >>> class Largest(mx.gluon.metric.EvalMetric):
    ...     def update(self, labels, preds):
    ...         self.sum_metric += float(preds.max())
    ...         self.num_inst += 1
    >>> metric = Largest("largest")
    >>> metric.get()
    ('largest', nan)
    >>> metric.update(None, mx.np.array([1.0, 3.0]))
    >>> metric.get()
    ('largest', 3.0)
    """

    num_inst: Any
    sum_metric: Any

    def __init__(
        self,
        name: str,
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        self.name = str(name)
        self.output_names = output_names
        self.label_names = label_names
        self._kwargs = kwargs
        self.reset()

    def __str__(self) -> str:
        return f"EvalMetric: {dict(self.get_name_value())}"

    def get_config(self) -> dict[str, Any]:
        """Arguments to create the metric again."""
        return {
            **self._kwargs,
            "metric": type(self).__name__,
            "name": self.name,
            "output_names": self.output_names,
            "label_names": self.label_names,
        }

    def update_dict(self, label: dict[str, Any], pred: dict[str, Any]) -> None:
        """Take a batch from dictionaries.

        Parameters
        ----------
        label, pred : dict of str to array
            By the names in `label_names` and `output_names`.
        """
        preds = list(pred.values()) if self.output_names is None else _by(pred, self.output_names)
        labels = list(label.values()) if self.label_names is None else _by(label, self.label_names)
        self.update(labels, preds)

    def update(self, labels: Any, preds: Any) -> None:
        """Take a batch.

        Parameters
        ----------
        labels, preds : array or list of array
            Of a batch; what they hold, the subclass says.

        Raises
        ------
        NotImplementedError
            If the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define update(labels, preds)")

    def reset(self) -> None:
        """Forget all batches."""
        self.num_inst = 0
        self.sum_metric = 0.0

    def _add(self, total: float, count: int) -> None:
        self.sum_metric += float(total)
        self.num_inst += count

    def get(self) -> tuple[Any, Any]:
        """Name and score so far (NaN before the first batch)."""
        if self.num_inst == 0:
            return self.name, float("nan")
        return self.name, float(self.sum_metric / self.num_inst)

    def get_name_value(self) -> list[tuple[str, Any]]:
        """Pairs of names and scores."""
        name, value = self.get()
        names = name if isinstance(name, list) else [name]
        values = value if isinstance(value, list) else [value]
        return list(zip(names, values, strict=True))


def _by(arrays: dict[str, Any], names: Sequence[str]) -> list[Any]:
    return [arrays[name] for name in names]


@register
@alias("composite")
class CompositeEvalMetric(EvalMetric):
    """Several metrics as one; also by the name ``composite``.

    Parameters
    ----------
    metrics : list, optional
        Metrics, or what `create` makes them of.
    name : str
        What `get` calls it.
    output_names, label_names : list of str, optional
        Which predictions and labels `update_dict` takes; all if left out.

    Notes
    -----
    Source: MXNet's ``gluon.metric.CompositeEvalMetric``.

    Examples
    --------
    >>> import symgluon as mx
    >>> metric = mx.gluon.metric.CompositeEvalMetric(["acc", "ce"])
    >>> metric.update(mx.np.array([0, 1]), mx.np.array([[0.5, 0.5], [0.0, 1.0]]))
    >>> [(name, round(value, 3)) for name, value in metric.get_name_value()]
    [('accuracy', 1.0), ('cross-entropy', 0.347)]
    """

    def __init__(
        self,
        metrics: Any = None,
        name: str = "composite",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> None:
        self.metrics = [create(m) for m in metrics or []]
        super().__init__(name, output_names, label_names)

    def add(self, metric: Any) -> None:
        """Append `metric`, or the one of that name."""
        self.metrics.append(create(metric))

    def get_metric(self, index: int) -> Any:
        """Metric number `index`; a ValueError is returned if there is none, as in MXNet."""
        try:
            return self.metrics[index]
        except IndexError:
            return ValueError(f"Metric index {index} is out of range 0 and {len(self.metrics)}")

    def update_dict(self, labels: dict[str, Any], preds: dict[str, Any]) -> None:  # type: ignore[override]
        """Take a batch from dictionaries.

        Parameters
        ----------
        labels, preds : dict of str to array
            By the names in `label_names` and `output_names`.
        """
        if self.label_names is not None:
            labels = {k: v for k, v in labels.items() if k in self.label_names}
        if self.output_names is not None:
            preds = {k: v for k, v in preds.items() if k in self.output_names}
        for metric in self.metrics:
            metric.update_dict(labels, preds)

    def update(self, labels: Any, preds: Any) -> None:
        """Take a batch."""
        for metric in self.metrics:
            metric.update(labels, preds)

    def reset(self) -> None:
        """Forget all batches."""
        for metric in self.metrics:
            metric.reset()

    def get(self) -> tuple[Any, Any]:
        """Names and scores of all metrics."""
        pairs = [pair for metric in self.metrics for pair in metric.get_name_value()]
        return [name for name, _ in pairs], [value for _, value in pairs]

    def get_config(self) -> dict[str, Any]:
        """Arguments to create the metric again."""
        return {**super().get_config(), "metrics": [m.get_config() for m in self.metrics]}


@register
class CustomMetric(EvalMetric):
    """Score by a function of a label and a prediction.

    Parameters
    ----------
    feval : callable
        ``feval(label, pred)``: a number, or a sum and how many samples it is of.
    name : str, optional
        What `get` calls it; the name of the function if left out.
    allow_extra_outputs : bool
        Accept more predictions than labels.
    output_names, label_names : list of str, optional
        Which predictions and labels `update_dict` takes; all if left out.

    Notes
    -----
    Source: MXNet's ``gluon.metric.CustomMetric``.

    Examples
    --------
    >>> import symgluon as mx
    >>> metric = mx.gluon.metric.CustomMetric(lambda label, pred: abs(label - pred).max(), name="worst")
    >>> metric.update(mx.np.array([1.0, 2.0]), mx.np.array([1.0, 5.0]))
    >>> metric.get()
    ('worst', 3.0)
    """

    def __init__(
        self,
        feval: Callable[..., Any],
        name: str | None = None,
        allow_extra_outputs: bool = False,
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> None:
        if name is None:
            name = getattr(feval, "__name__", type(feval).__name__)
            name = f"custom({name})" if "<" in name else name
        super().__init__(name, output_names, label_names)
        self._feval = feval
        self._allow_extra_outputs = allow_extra_outputs

    def update(self, labels: Any, preds: Any) -> None:
        """Call the function for each pair of a label and a prediction."""
        if not self._allow_extra_outputs:
            labels, preds = check_label_shapes(labels, preds, True)
        for pred, label in zip(preds, labels, strict=False):
            found = self._feval(label, pred)
            total, count = found if isinstance(found, tuple) else (found, 1)
            self._add(total, count)

    def get_config(self) -> dict[str, Any]:
        """Cannot be told: the function is not data.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError("CustomMetric cannot be serialized")


def np(
    numpy_feval: Callable[..., Any], name: str | None = None, allow_extra_outputs: bool = False
) -> CustomMetric:
    """Return a metric from a function of a label and a prediction.

    Parameters
    ----------
    numpy_feval : callable
        ``numpy_feval(label, pred)``: a number, or a sum and how many samples it is of.
    name : str, optional
        What `get` calls it; the name of the function if left out.
    allow_extra_outputs : bool
        Accept more predictions than labels.

    Returns
    -------
    CustomMetric
        The metric.
    """

    def feval(label: Any, pred: Any) -> Any:
        return numpy_feval(label, pred)

    feval.__name__ = numpy_feval.__name__
    return CustomMetric(feval, name, allow_extra_outputs)


registry.share(EvalMetric, REGISTRY)
