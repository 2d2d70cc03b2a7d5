"""Iterators over files: CSV, MNIST's, and records of images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError, FormatError
from symgluon.gluon.data.vision.datasets import _read_idx
from symgluon.io.batch import DataBatch, DataDesc, DataIter
from symgluon.ndarray.functions import constant


class MXDataIter(DataIter):
    """Base class of the iterators over files: rows of two arrays, in batches.

    Parameters
    ----------
    data, label : numpy.ndarray
        Rows.
    batch_size : int
        Rows of a batch.
    data_name, label_name : str
        Names in batches.
    last : str
        ``round``: the last batch is filled up from the beginning, and the next epoch goes on after
        that; ``pad``: it is filled up; ``drop``: there is no such batch.

    Raises
    ------
    AttributeValueError
        If there are fewer rows than a batch has.

    Notes
    -----
    Source: MXNet's ``mx.io.MXDataIter``.
    """

    def __init__(
        self,
        data: np.ndarray,
        label: np.ndarray,
        batch_size: int,
        data_name: str = "data",
        label_name: str = "softmax_label",
        last: str = "round",
    ) -> None:
        super().__init__(batch_size)
        if len(data) < batch_size:
            raise AttributeValueError(
                "batch_size", expected=f"at most the number of rows, {len(data)}",
                received=batch_size,
            )  # fmt: skip
        self._data, self._label = data, label
        self._last = last
        self._names = data_name, label_name
        self._first = 0
        self._place = -batch_size
        self._rows = np.arange(len(data))

    @property
    def provide_data(self) -> list[DataDesc]:
        """Descriptions of the inputs."""
        return [DataDesc(self._names[0], (self.batch_size, *self._data.shape[1:]))]

    @property
    def provide_label(self) -> list[DataDesc]:
        """Descriptions of the labels."""
        return [DataDesc(self._names[1], (self.batch_size, *self._label.shape[1:]))]

    def reset(self) -> None:
        """Begin a new epoch."""
        over = self._place - len(self._data)
        self._first = over if self._last == "round" and over > 0 else 0
        self._place = self._first - self.batch_size

    def iter_next(self) -> bool:
        """Go to the next batch.

        Returns
        -------
        bool
            Whether there is one.
        """
        if self._place >= len(self._data):
            return False
        self._place += self.batch_size
        rest = len(self._data) - self._place
        return rest >= self.batch_size if self._last == "drop" else rest > 0

    def _taken(self) -> np.ndarray:
        rows = np.arange(self._place, self._place + self.batch_size)
        return self._rows[rows % len(self._data)]

    def next(self) -> DataBatch:
        """Return the next batch.

        Returns
        -------
        DataBatch
            The batch.

        Raises
        ------
        StopIteration
            After the last one.
        """
        if not self.iter_next():
            raise StopIteration
        return DataBatch([self.getdata()], [self.getlabel()], self.getpad(), self.getindex())

    def getdata(self) -> Any:
        """Return the input of the present batch.

        Returns
        -------
        array
            The rows.
        """
        return constant(self._data[self._taken()])

    def getlabel(self) -> Any:
        """Return the label of the present batch.

        Returns
        -------
        array
            The labels.
        """
        return constant(self._label[self._taken()])

    def getindex(self) -> Any:
        """Return the numbers of the rows of the present batch.

        Returns
        -------
        numpy.ndarray
            The numbers.
        """
        return self._taken().astype(np.uint64)

    def getpad(self) -> int:
        """Return how many rows only fill the present batch up.

        Returns
        -------
        int
            Their number.
        """
        return max(0, self._place + self.batch_size - len(self._data))


def _check_ignored(name: str, kwargs: dict[str, Any]) -> None:
    """Accept options that say how fast a file is read; refuse others."""
    speed = {"prefetch_buffer", "preprocess_threads", "ctx", "device_id", "silent", "verbose",
             "path_imgidx"}  # fmt: skip
    unknown = [k for k in kwargs if k not in speed]
    if unknown:
        raise AttributeValueError(f"{name}: options {', '.join(unknown)} are not supported")


class CSVIter(MXDataIter):
    """Batches of the rows of a text file with commas.

    Parameters
    ----------
    data_csv : str
        The file.
    data_shape : tuple of int
        Shape of a row.
    batch_size : int
        Rows of a batch.
    label_csv : str, optional
        File of labels; zeros without one.
    label_shape : tuple of int
        Shape of a label.
    round_batch : bool
        Fill the last batch up from the beginning; the next epoch goes on after that.
    dtype : dtype
        Of data and labels.
    data_name, label_name : str
        Names in batches.
    **kwargs : object
        Options that only concern speed.

    Raises
    ------
    FormatError
        If a row has another number of values.
    AttributeValueError
        For other options.

    Notes
    -----
    Source: MXNet's ``mx.io.CSVIter``.
    """

    def __init__(
        self,
        data_csv: str,
        data_shape: Sequence[int],
        batch_size: int,
        label_csv: str | None = None,
        label_shape: Sequence[int] = (1,),
        round_batch: bool = True,
        dtype: Any = "float32",
        data_name: str = "data",
        label_name: str = "softmax_label",
        **kwargs: Any,
    ) -> None:
        _check_ignored("CSVIter", kwargs)
        data = _table(data_csv, data_shape, dtype)
        if label_csv is None or label_csv == "NULL":
            label = np.zeros((len(data), *label_shape), dtype)
        else:
            label = _table(label_csv, label_shape, dtype)
        if len(label) != len(data):
            raise FormatError(f"{len(label)} labels for {len(data)} rows", path=label_csv)
        flat = label.reshape(len(label)) if tuple(label_shape) == (1,) else label
        super().__init__(
            data, flat, batch_size, data_name, label_name, "round" if round_batch else "pad"
        )


def _table(path: str, shape: Sequence[int], dtype: Any) -> np.ndarray:
    try:
        rows = np.loadtxt(path, delimiter=",", ndmin=2, dtype=dtype)
    except ValueError as error:
        raise FormatError(str(error), path=os.fspath(path)) from None
    size = int(np.prod(shape))
    if rows.size % max(size, 1) or (rows.shape[1] != size and size != 1):
        raise FormatError(
            f"rows of {rows.shape[1]} values do not have the shape {tuple(shape)}",
            path=os.fspath(path),
        )
    return rows.reshape(-1, *shape)


class MNISTIter(MXDataIter):
    """Batches of MNIST's files: numbers from 0 to below 1.

    Parameters
    ----------
    image, label : str
        The files, compressed or not.
    batch_size : int
        Images of a batch; images that fill no batch are left out.
    shuffle : bool
        Take the images in another order, chosen by `seed`.
    flat : bool
        Give (batch, 784) in place of (batch, 1, 28, 28).
    seed : int
        Of the order.
    num_parts, part_index : int
        Take one of so many parts of the images.
    input_shape : tuple of int, optional
        Shape of an image, in place of both.
    **kwargs : object
        Options that only concern speed.

    Raises
    ------
    FormatError
        If a file is damaged.
    AttributeValueError
        For other options.

    Notes
    -----
    Source: MXNet's ``mx.io.MNISTIter``.
    """

    def __init__(
        self,
        image: str,
        label: str,
        batch_size: int = 128,
        shuffle: bool = True,
        flat: bool = False,
        seed: int = 0,
        num_parts: int = 1,
        part_index: int = 0,
        input_shape: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        _check_ignored("MNISTIter", kwargs)
        images = _read_idx(image).astype(np.float32) / 256
        labels = _read_idx(label).reshape(-1).astype(np.float32)
        if len(images) != len(labels):
            raise FormatError(f"{len(labels)} labels for {len(images)} images", path=label)
        size = len(images) // num_parts
        part = slice(part_index * size, (part_index + 1) * size)
        images, labels = images[part], labels[part]
        if input_shape is not None:
            images = images.reshape(len(images), *input_shape)
        elif flat:
            images = images.reshape(len(images), -1)
        else:
            images = images.reshape(len(images), 1, *images.shape[1:3])
        if shuffle:
            order = np.random.RandomState(seed).permutation(len(images))
            images, labels = images[order], labels[order]
        super().__init__(images, labels, batch_size, last="drop")


class ImageRecordIter(DataIter):
    """Batches of the images of a record file.

    Parameters
    ----------
    path_imgrec : str
        The record file.
    data_shape : tuple of int
        (C, H, W) of the images.
    batch_size : int
        Images of a batch.
    path_imgidx : str, optional
        Its index, needed to shuffle it or to take a part.
    label_width : int
        Numbers of a label.
    shuffle : bool
        Take the images in another order each epoch.
    resize : int
        Size of the shorter side; -1: as it is.
    rand_crop, rand_mirror : bool
        Crop at a random place; mirror half of the images.
    mean_r, mean_g, mean_b, std_r, std_g, std_b : float
        Mean and deviation of the channels.
    scale : float
        Factor after that.
    num_parts, part_index : int
        Take one of so many parts of the images.
    round_batch : bool
        Fill the last batch up from the beginning, and let the next epoch go on after that; else
        there is no such batch.
    data_name, label_name : str
        Names in batches.
    dtype : dtype
        Of the data.
    **kwargs : object
        Options that only concern speed; others are refused.

    Raises
    ------
    AttributeValueError
        For other options of augmentation.

    Notes
    -----
    Source: MXNet's ``mx.io.ImageRecordIter``; the augmenters are those of ``mx.image``.
    """

    def __init__(
        self,
        path_imgrec: str,
        data_shape: Sequence[int],
        batch_size: int,
        path_imgidx: str | None = None,
        label_width: int = 1,
        shuffle: bool = False,
        resize: int = -1,
        rand_crop: bool = False,
        rand_mirror: bool = False,
        mean_r: float = 0.0,
        mean_g: float = 0.0,
        mean_b: float = 0.0,
        std_r: float = 1.0,
        std_g: float = 1.0,
        std_b: float = 1.0,
        scale: float = 1.0,
        num_parts: int = 1,
        part_index: int = 0,
        round_batch: bool = True,
        data_name: str = "data",
        label_name: str = "softmax_label",
        dtype: Any = "float32",
        **kwargs: Any,
    ) -> None:
        from symgluon.image.augment import CreateAugmenter
        from symgluon.image.iterator import ImageIter

        _check_ignored("ImageRecordIter", kwargs)
        super().__init__(batch_size)
        augmenters = CreateAugmenter(
            data_shape, resize=max(resize, 0), rand_crop=bool(rand_crop),
            rand_mirror=bool(rand_mirror), mean=np.array([mean_r, mean_g, mean_b], np.float32),
            std=np.array([std_r, std_g, std_b], np.float32) / np.float32(scale),
        )  # fmt: skip
        index = path_imgidx
        if index is None and (shuffle or num_parts > 1):
            beside = os.path.splitext(path_imgrec)[0] + ".idx"
            index = beside if os.path.exists(beside) else None
        self._iter = ImageIter(
            batch_size, data_shape, label_width, path_imgrec=path_imgrec, path_imgidx=index,
            shuffle=bool(shuffle), part_index=part_index, num_parts=num_parts,
            aug_list=augmenters, data_name=data_name, label_name=label_name, dtype=dtype,
            last_batch_handle="pad" if round_batch else "discard",
        )  # fmt: skip

    @property
    def provide_data(self) -> list[DataDesc]:
        """Descriptions of the data."""
        return self._iter.provide_data

    @property
    def provide_label(self) -> list[DataDesc]:
        """Descriptions of the labels."""
        return self._iter.provide_label

    def reset(self) -> None:
        """Begin a new epoch."""
        self._iter.go_on()

    def next(self) -> DataBatch:
        """Return the next batch.

        Returns
        -------
        DataBatch
            The batch.

        Raises
        ------
        StopIteration
            After the last one.
        """
        return self._iter.next()
