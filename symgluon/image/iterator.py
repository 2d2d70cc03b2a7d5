"""`ImageIter`: batches of images from record files, lists and folders."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError, FormatError, ShapeError
from symgluon.image.augment import CreateAugmenter
from symgluon.image.image import imdecode, pixels_of
from symgluon.io.batch import DataBatch, DataDesc, DataIter
from symgluon.ndarray.functions import constant
from symgluon.recordio import MXIndexedRecordIO, MXRecordIO, unpack


class ImageIter(DataIter):
    """Batches of images, decoded and augmented.

    Parameters
    ----------
    batch_size : int
        Images of a batch.
    data_shape : tuple of int
        (C, H, W) of the images after the augmenters.
    label_width : int
        Numbers of a label.
    path_imgrec : str, optional
        A record file; with `path_imgidx` it can be shuffled.
    path_imglist : str, optional
        A file with lines ``number TAB labels TAB path``.
    path_root : str, optional
        Folder that paths are relative to.
    path_imgidx : str, optional
        Index of the record file.
    shuffle : bool
        Take the images in another order each epoch (by Python's ``random``).
    part_index, num_parts : int
        Take one of so many parts of the images.
    aug_list : list of Augmenter, optional
        Augmenters; those of `CreateAugmenter` if left out.
    imglist : list, optional
        Items ``[labels..., path]`` or ``[[labels], path]``.
    data_name, label_name : str
        Names in batches.
    dtype : dtype
        Of data.
    last_batch_handle : str
        ``pad``, ``discard`` or ``roll_over``, as of `NDArrayIter`.
    **kwargs : object
        As of `CreateAugmenter`.

    Raises
    ------
    ValueError
        If no source is named, and for a source that cannot be shuffled or parted.
    FormatError
        If the list is damaged; at a batch, if an image is.

    Notes
    -----
    Images are decoded by Pillow.  Source: MXNet's ``mx.image.ImageIter``.
    """

    def __init__(
        self,
        batch_size: int,
        data_shape: Sequence[int],
        label_width: int = 1,
        path_imgrec: str | None = None,
        path_imglist: str | None = None,
        path_root: str | None = None,
        path_imgidx: str | None = None,
        shuffle: bool = False,
        part_index: int = 0,
        num_parts: int = 1,
        aug_list: Any = None,
        imglist: Any = None,
        data_name: str = "data",
        label_name: str = "softmax_label",
        dtype: Any = "float32",
        last_batch_handle: str = "pad",
        **kwargs: Any,
    ) -> None:
        super().__init__(batch_size)
        if last_batch_handle not in ("pad", "discard", "roll_over"):
            raise AttributeValueError(
                "last_batch_handle", expected="pad, discard or roll_over",
                received=last_batch_handle,
            )  # fmt: skip
        self.check_data_shape(data_shape)
        self.data_shape = tuple(data_shape)
        self.label_width = label_width
        self.path_root = path_root
        self.shuffle = shuffle
        self.dtype = dtype
        self.last_batch_handle = last_batch_handle
        self._names = data_name, label_name
        self.imgrec: Any = None
        self.imglist: dict[Any, tuple[np.ndarray, str]] | None = None
        self.seq: list[Any] | None = None
        self._open(path_imgrec, path_imgidx, path_imglist, imglist)
        self._take_part(part_index, num_parts)
        self.auglist: Any = CreateAugmenter(data_shape, **kwargs) if aug_list is None else aug_list
        self.cur = 0
        self._left: list[tuple[np.ndarray, np.ndarray]] = []
        self._ended = False  # the last batch was filled up: the images are those of the next epoch
        self.reset()

    # ---- sources ---------------------------------------------------------------------------------
    def _open(self, records: Any, index: Any, path_list: Any, given: Any) -> None:
        if records is None and path_list is None and given is None:
            raise ValueError(
                "ImageIter needs a source: path_imgrec, path_imglist or imglist (a list)"
            )
        if records is not None:
            if index is None:
                self.imgrec = MXRecordIO(records, "r")
            else:
                self.imgrec = MXIndexedRecordIO(index, records, "r")
                self.seq = list(self.imgrec.keys)
        if path_list is not None:
            self.imglist = _read_list(path_list)
        elif given is not None:
            self.imglist = {i: _item(x) for i, x in enumerate(given)}
        if self.imglist is not None:
            self.seq = list(self.imglist)

    def _take_part(self, part: int, parts: int) -> None:
        if self.seq is None:
            if self.shuffle or parts > 1:
                raise ValueError(
                    "a record file without index is read in order; pass path_imgidx to shuffle it "
                    "or to take a part of it"
                )
            return
        if not 0 <= part < parts:
            raise AttributeValueError("part_index", expected=f"0 to {parts - 1}", received=part)
        size = len(self.seq) // parts
        if parts > 1:
            self.seq = self.seq[part * size : (part + 1) * size]

    @property
    def provide_data(self) -> list[DataDesc]:
        """Descriptions of the data."""
        return [DataDesc(self._names[0], (self.batch_size, *self.data_shape), self.dtype)]

    @property
    def provide_label(self) -> list[DataDesc]:
        """Descriptions of the labels."""
        more = (self.label_width,) if self.label_width > 1 else ()
        return [DataDesc(self._names[1], (self.batch_size, *more))]

    def check_data_shape(self, data_shape: Sequence[int]) -> None:
        """Refuse a shape that images do not have.

        Parameters
        ----------
        data_shape : tuple of int
            (C, H, W).

        Raises
        ------
        ValueError
            If it has not three numbers, or another number of channels than 1 or 3.
        """
        if len(data_shape) != 3:
            raise ValueError(f"data_shape is (channels, height, width), received {data_shape}")
        if data_shape[0] not in (1, 3):
            raise ValueError(f"images have 1 or 3 channels, data_shape says {data_shape[0]}")

    # ---- one image -------------------------------------------------------------------------------
    def reset(self) -> None:
        """Begin a new epoch; images that roll over come first."""
        self._ended = False
        if self.shuffle and self.seq is not None:
            random.shuffle(self.seq)
        if self.imgrec is not None:
            self.imgrec.reset()
        self.cur = 0

    def hard_reset(self) -> None:
        """Begin a new epoch; images that would roll over are dropped."""
        self._left = []
        self.reset()

    def next_sample(self) -> tuple[Any, bytes]:
        """Return label and content of the next image.

        Returns
        -------
        tuple of label and bytes
            Not decoded.

        Raises
        ------
        StopIteration
            After the last one.
        """
        if self.seq is None:
            record = self.imgrec.read()
            if record is None:
                raise StopIteration
            header, content = unpack(record)
            return header.label, content
        if self.cur >= len(self.seq):
            raise StopIteration
        key = self.seq[self.cur]
        self.cur += 1
        if self.imgrec is not None:
            header, content = unpack(self.imgrec.read_idx(key))
            return (header.label if self.imglist is None else self.imglist[key][0]), content
        label, path = (self.imglist or {})[key]
        return label, self.read_image(path)

    def read_image(self, fname: str) -> bytes:
        """Return the content of an image file.

        Parameters
        ----------
        fname : str
            Its path, relative to `path_root`.

        Returns
        -------
        bytes
            The content.
        """
        with open(os.path.join(self.path_root or "", fname), "rb") as file:
            return file.read()

    def imdecode(self, s: bytes) -> Any:
        """Decode an image.

        Parameters
        ----------
        s : bytes
            The content of a file.

        Returns
        -------
        array (H, W, C)
            The image.
        """
        return imdecode(s, flag=1 if self.data_shape[0] == 3 else 0)

    def augmentation_transform(self, data: Any) -> Any:
        """Run the augmenters.

        Parameters
        ----------
        data : array (H, W, C)
            An image.

        Returns
        -------
        array (H, W, C)
            The image.
        """
        for aug in self.auglist:
            data = aug(data)
        return data

    def postprocess_data(self, datum: Any) -> Any:
        """Bring the channels to the front.

        Parameters
        ----------
        datum : array (H, W, C)
            An image.

        Returns
        -------
        array (C, H, W)
            The image.
        """
        return datum.transpose((2, 0, 1))

    def _sample(self) -> tuple[np.ndarray, np.ndarray]:
        label, content = self.next_sample()
        image = self.augmentation_transform(self.imdecode(content))
        found = pixels_of(self.postprocess_data(image))
        if found.shape != self.data_shape:
            raise ShapeError(
                "an image after the augmenters", expected=self.data_shape, received=found.shape,
                hint="let an augmenter crop or resize it",
            )  # fmt: skip
        labels = np.asarray(label, np.float32).reshape(-1)
        if labels.size != self.label_width:
            raise ShapeError(
                "a label", expected=f"{self.label_width} numbers (label_width)",
                received=labels.size,
            )  # fmt: skip
        return found, labels

    # ---- batches ---------------------------------------------------------------------------------
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
        if self._ended:
            raise StopIteration
        rows = self._left
        self._left = []
        rolled = len(rows)
        self._read(rows)
        pad = self.batch_size - len(rows)
        if pad:
            if self.last_batch_handle == "roll_over":
                self._left = rows
            if not rows or self.last_batch_handle != "pad":
                raise StopIteration
            while len(rows) < self.batch_size:
                self.reset()
                self._read(rows)
            self._ended = True
        data = np.stack([r[0] for r in rows]).astype(self.dtype)
        labels = self._batch_labels([r[1] for r in rows])
        return DataBatch(
            [constant(data)], [constant(labels)], pad=pad or rolled,
            provide_data=self.provide_data, provide_label=self.provide_label,
        )  # fmt: skip

    def _batch_labels(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        labels = np.stack(rows)
        return labels[:, 0].copy() if self.label_width == 1 else labels

    def _read(self, rows: list[Any]) -> None:
        """Append images until the batch is full, or there are no more."""
        while len(rows) < self.batch_size:
            try:
                rows.append(self._sample())
            except StopIteration:
                break

    def go_on(self) -> None:
        """Begin a new epoch after the images that filled up the last batch of the one before."""
        if self._ended:
            self._ended = False
        else:
            self.reset()


def _read_list(path: str) -> dict[Any, tuple[np.ndarray, str]]:
    found: dict[Any, tuple[np.ndarray, str]] = {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            parts = line.strip().split("\t")
            if parts == [""]:
                continue
            try:
                labels = np.array([float(x) for x in parts[1:-1]], np.float32)
                key = int(parts[0])
            except ValueError:
                labels, key = np.zeros(0, np.float32), -1
            if len(parts) < 3 or not labels.size:
                raise FormatError(
                    f"line {number} is not 'number TAB labels TAB path': {line.strip()!r:.60}",
                    path=path,
                )
            found[key] = labels, parts[-1]
    return found


def _item(given: Sequence[Any]) -> tuple[np.ndarray, str]:
    if len(given) > 2:
        labels, path = given[:-1], given[-1]
    else:
        labels, path = given
    return np.asarray(labels, np.float32).reshape(-1), path
