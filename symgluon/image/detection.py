"""Augmenters and iterator of object detection: images with boxes.

Labels are rows ``class, left, top, right, bottom, ...``; coordinates are shares of the image.  The
random draws come from Python's ``random``; how a crop is searched for is our own, so seeded crops
and paddings are other ones than MXNet's.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError, FormatError, ShapeError
from symgluon.image import augment as aug
from symgluon.image import image as im
from symgluon.image.iterator import ImageIter
from symgluon.io.batch import DataDesc

Pair = tuple[float, float]


class DetAugmenter:
    """Base class of augmenters of images with boxes.

    Parameters
    ----------
    **kwargs : object
        What it was made with, for `dumps`.

    Notes
    -----
    Source: MXNet's ``mx.image.DetAugmenter``.
    """

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = {k: aug._plain(v) for k, v in kwargs.items()}

    def dumps(self) -> Any:
        """Return what makes it again, as text.

        Returns
        -------
        str or list
            JSON of its name and arguments.
        """
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def __call__(self, src: Any, label: np.ndarray) -> tuple[Any, np.ndarray]:
        """Change an image and its boxes."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, src, label)")


class DetBorrowAug(DetAugmenter):
    """An augmenter of images that leaves boxes where they are.

    Parameters
    ----------
    augmenter : Augmenter
        It must not move things in the image.

    Raises
    ------
    TypeError
        If it is no `Augmenter`.

    Notes
    -----
    Source: MXNet's ``mx.image.DetBorrowAug``.
    """

    def __init__(self, augmenter: aug.Augmenter) -> None:
        if not isinstance(augmenter, aug.Augmenter):
            raise TypeError(f"DetBorrowAug takes an Augmenter, not {type(augmenter).__name__}")
        super().__init__(augmenter=augmenter.dumps())
        self.augmenter = augmenter

    def dumps(self) -> Any:
        """Return what makes it again.

        Returns
        -------
        list
            Its name, and that of the augmenter.
        """
        return [type(self).__name__.lower(), self.augmenter.dumps()]

    def __call__(self, src: Any, label: np.ndarray) -> tuple[Any, np.ndarray]:
        """Change an image."""
        return self.augmenter(src), label


class DetRandomSelectAug(DetAugmenter):
    """One of several augmenters, or none, at random.

    Parameters
    ----------
    aug_list : list of DetAugmenter
        The augmenters.
    skip_prob : float
        Probability of none.

    Raises
    ------
    TypeError
        If there are other things in the list.

    Notes
    -----
    Source: MXNet's ``mx.image.DetRandomSelectAug``.
    """

    def __init__(self, aug_list: Sequence[DetAugmenter], skip_prob: float = 0) -> None:
        super().__init__(skip_prob=skip_prob)
        given: Any = aug_list
        found: list[Any] = list(given) if isinstance(given, list | tuple) else [given]
        if not all(isinstance(a, DetAugmenter) for a in found):
            raise TypeError("DetRandomSelectAug takes a list of DetAugmenter")
        self.aug_list = found
        self.skip_prob = skip_prob if found else 1

    def dumps(self) -> Any:
        """Return what makes it again.

        Returns
        -------
        list
            Its name, and those of its parts.
        """
        return [type(self).__name__.lower(), [a.dumps() for a in self.aug_list]]

    def __call__(self, src: Any, label: np.ndarray) -> tuple[Any, np.ndarray]:
        """Change an image and its boxes."""
        if random.random() < self.skip_prob:
            return src, label
        return random.choice(self.aug_list)(src, label)


class DetHorizontalFlipAug(DetAugmenter):
    """Mirror, with some probability.

    Parameters
    ----------
    p : float
        The probability.

    Notes
    -----
    Source: MXNet's ``mx.image.DetHorizontalFlipAug``.
    """

    def __init__(self, p: float) -> None:
        super().__init__(p=p)
        self.p = p

    def __call__(self, src: Any, label: np.ndarray) -> tuple[Any, np.ndarray]:
        """Change an image and its boxes."""
        if random.random() >= self.p:
            return src, label
        turned = label.copy()
        turned[:, 1], turned[:, 3] = 1 - label[:, 3], 1 - label[:, 1]
        return im.like(im.pixels_of(src)[:, ::-1], src), turned


def _areas(boxes: np.ndarray) -> np.ndarray:
    return np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)


def _moved(label: np.ndarray, left: float, top: float, width: float, height: float) -> np.ndarray:
    """Boxes as shares of a rectangle, which is given in shares of the image."""
    found = label.copy()
    found[:, (1, 3)] = (label[:, (1, 3)] - left) / width
    found[:, (2, 4)] = (label[:, (2, 4)] - top) / height
    return found


def _ordered(name: str, value: Any) -> Pair:
    low, high = (value, value) if isinstance(value, int | float) else value
    if not 0 < low <= high:
        raise AttributeValueError(f"{name}", expected="two rising numbers above 0", received=value)
    return float(low), float(high)


class DetRandomCropAug(DetAugmenter):
    """Cut a random part out that has enough of some object; other objects are dropped.

    Parameters
    ----------
    min_object_covered : float
        Least share of an object that the part must have, of one object at least.
    aspect_ratio_range : tuple of two floats
        Ends of width / height of the part.
    area_range : tuple of two floats
        Ends of its share of the image.
    min_eject_coverage : float
        Objects of which less is left are dropped.
    max_attempts : int
        So many parts are tried; else the image stays as it is.

    Raises
    ------
    AttributeValueError
        If the ends of a range are in the wrong order.

    Notes
    -----
    Source: MXNet's ``mx.image.DetRandomCropAug``.
    """

    def __init__(
        self,
        min_object_covered: float = 0.1,
        aspect_ratio_range: Pair = (0.75, 1.33),
        area_range: Pair = (0.05, 1.0),
        min_eject_coverage: float = 0.3,
        max_attempts: int = 50,
    ) -> None:
        super().__init__(
            min_object_covered=min_object_covered, aspect_ratio_range=aspect_ratio_range,
            area_range=area_range, min_eject_coverage=min_eject_coverage,
            max_attempts=max_attempts,
        )  # fmt: skip
        self.min_object_covered = min_object_covered
        self.aspect_ratio_range = _ordered("aspect_ratio_range", aspect_ratio_range)
        self.area_range = _ordered("area_range", area_range)
        self.min_eject_coverage = min_eject_coverage
        self.max_attempts = max_attempts

    def __call__(self, src: Any, label: np.ndarray) -> tuple[Any, np.ndarray]:
        """Change an image and its boxes."""
        h, w = im.size_of(src)
        low, high = self.area_range
        for _ in range(self.max_attempts):
            area = random.uniform(low, min(high, 1.0)) * h * w
            ratio = random.uniform(*self.aspect_ratio_range)
            width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if not (0 < width <= w and 0 < height <= h):
                continue
            x0, y0 = random.randint(0, w - width), random.randint(0, h - height)
            found = self._kept(label, x0 / w, y0 / h, width / w, height / h)
            if found is not None:
                return im.fixed_crop(src, x0, y0, width, height), found
        return src, label

    def _kept(
        self, label: np.ndarray, left: float, top: float, width: float, height: float
    ) -> np.ndarray | None:
        """Boxes inside a part; None if it has not enough of any object."""
        moved = _moved(label, left, top, width, height)
        moved[:, 1:5] = moved[:, 1:5].clip(0, 1)
        whole = _areas(label[:, 1:5])
        share = _areas(moved[:, 1:5]) * width * height / np.maximum(whole, 1e-12)
        if not (share >= max(self.min_object_covered, 1e-12)).any():
            return None
        kept = moved[(share > self.min_eject_coverage) & (whole > 0)]
        return kept if len(kept) else None


class DetRandomPadAug(DetAugmenter):
    """Put the image at a random place of a larger one.

    Parameters
    ----------
    aspect_ratio_range : tuple of two floats
        Ends of width / height of the larger one.
    area_range : tuple of two floats
        Ends of its size, as a multiple of the image's.
    max_attempts : int
        So many sizes are tried; else the image stays as it is.
    pad_val : tuple of int
        Colour of the border.

    Raises
    ------
    AttributeValueError
        If the ends of a range are in the wrong order.

    Notes
    -----
    Source: MXNet's ``mx.image.DetRandomPadAug``.
    """

    def __init__(
        self,
        aspect_ratio_range: Pair = (0.75, 1.33),
        area_range: Pair = (1.0, 3.0),
        max_attempts: int = 50,
        pad_val: Sequence[int] = (128, 128, 128),
    ) -> None:
        super().__init__(
            aspect_ratio_range=aspect_ratio_range, area_range=area_range,
            max_attempts=max_attempts, pad_val=pad_val,
        )  # fmt: skip
        self.aspect_ratio_range = _ordered("aspect_ratio_range", aspect_ratio_range)
        self.area_range = _ordered("area_range", area_range)
        self.max_attempts = max_attempts
        self.pad_val = pad_val

    def __call__(self, src: Any, label: np.ndarray) -> tuple[Any, np.ndarray]:
        """Change an image and its boxes."""
        h, w = im.size_of(src)
        low, high = max(self.area_range[0], 1.0), self.area_range[1]
        if high <= 1:
            return src, label
        for _ in range(self.max_attempts):
            area = random.uniform(low, high) * h * w
            ratio = random.uniform(*self.aspect_ratio_range)
            width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if width < w or height < h or (width, height) == (w, h):
                continue
            x0, y0 = random.randint(0, width - w), random.randint(0, height - h)
            found = im.copyMakeBorder(
                src, y0, height - h - y0, x0, width - w - x0, values=self.pad_val
            )
            return found, _moved(label, -x0 / w, -y0 / h, width / w, height / h)
        return src, label


# ---- the usual ones ----------------------------------------------------------------------------------
def CreateMultiRandCropAugmenter(
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = (0.75, 1.33),
    area_range: Any = (0.05, 1.0),
    min_eject_coverage: Any = 0.3,
    max_attempts: Any = 50,
    skip_prob: float = 0,
) -> DetRandomSelectAug:
    """Return an augmenter that chooses one of several random crops.

    Parameters
    ----------
    min_object_covered, aspect_ratio_range, area_range, min_eject_coverage, max_attempts : object
        As of `DetRandomCropAug`, or lists of those of one length.
    skip_prob : float
        Probability of none.

    Returns
    -------
    DetRandomSelectAug
        The augmenter.

    Raises
    ------
    ValueError
        If lists have different lengths.

    Notes
    -----
    Source: MXNet's ``mx.image.CreateMultiRandCropAugmenter``.
    """
    given = (min_object_covered, aspect_ratio_range, area_range, min_eject_coverage, max_attempts)
    count = max([len(v) for v in given if isinstance(v, list)], default=1)
    columns = [v if isinstance(v, list) else [v] for v in given]
    if any(len(c) not in (1, count) for c in columns):
        raise ValueError("CreateMultiRandCropAugmenter: the lists have different lengths")
    rows = zip(*[c * count if len(c) == 1 else c for c in columns], strict=True)
    return DetRandomSelectAug([DetRandomCropAug(*row) for row in rows], skip_prob)


def CreateDetAugmenter(
    data_shape: Sequence[int],
    resize: int = 0,
    rand_crop: float = 0,
    rand_pad: float = 0,
    rand_gray: float = 0,
    rand_mirror: bool = False,
    mean: Any = None,
    std: Any = None,
    brightness: float = 0,
    contrast: float = 0,
    saturation: float = 0,
    pca_noise: float = 0,
    hue: float = 0,
    inter_method: int = 2,
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = (0.75, 1.33),
    area_range: Pair = (0.05, 3.0),
    min_eject_coverage: float = 0.3,
    max_attempts: int = 50,
    pad_val: Sequence[int] = (127, 127, 127),
) -> list[DetAugmenter]:
    """Return the usual augmenters of detection, in order.

    Parameters
    ----------
    data_shape : tuple of int
        (C, H, W) of the result.
    resize : int
        Size of the shorter side; 0: as it is.
    rand_crop, rand_pad : float
        Probabilities to crop, and to pad.
    rand_gray : float
        Probability to take the colours away.
    rand_mirror : bool
        Mirror half of the images.
    mean, std : array (3,), True or None
        Normalise; True: by ImageNet's.
    brightness, contrast, saturation, hue : float
        By how much they change at most.
    pca_noise : float
        Deviation of the shares of principal colours that are added.
    inter_method : int
        Way to interpolate.
    min_object_covered, aspect_ratio_range, min_eject_coverage, max_attempts : object
        As of `DetRandomCropAug`.
    area_range : tuple of two floats
        Ends of the size of crops (below 1) and paddings (above 1).
    pad_val : tuple of int
        Colour of paddings.

    Returns
    -------
    list of DetAugmenter
        To be called one after the other.

    Notes
    -----
    Source: MXNet's ``mx.image.CreateDetAugmenter``.
    """
    found: list[DetAugmenter] = []
    if resize > 0:
        found.append(DetBorrowAug(aug.ResizeAug(resize, inter_method)))
    if rand_crop > 0:
        found.append(
            CreateMultiRandCropAugmenter(
                min_object_covered, aspect_ratio_range, area_range, min_eject_coverage,
                max_attempts, skip_prob=1 - rand_crop,
            )
        )  # fmt: skip
    if rand_mirror:
        found.append(DetHorizontalFlipAug(0.5))
    if rand_pad > 0:
        pad = DetRandomPadAug(aspect_ratio_range, (1.0, area_range[1]), max_attempts, pad_val)
        found.append(DetRandomSelectAug([pad], 1 - rand_pad))
    plain: list[aug.Augmenter] = [
        aug.ForceResizeAug((data_shape[2], data_shape[1]), inter_method), aug.CastAug(),
    ]  # fmt: skip
    if brightness or contrast or saturation:
        plain.append(aug.ColorJitterAug(brightness, contrast, saturation))
    if hue:
        plain.append(aug.HueJitterAug(hue))
    if pca_noise > 0:
        plain.append(aug.LightingAug(pca_noise, aug._VALUES, aug._VECTORS))
    if rand_gray > 0:
        plain.append(aug.RandomGrayAug(rand_gray))
    plain += aug.normalization(mean, std)
    return found + [DetBorrowAug(a) for a in plain]


class ImageDetIter(ImageIter):
    """Batches of images with boxes.

    A label is ``width of the header, width of an object, ..., objects``; in batches the objects are
    rows, filled up by rows of -1 to the most objects of an image.

    Parameters
    ----------
    batch_size : int
        Images of a batch.
    data_shape : tuple of int
        (C, H, W) of the images after the augmenters.
    path_imgrec, path_imglist, path_root, path_imgidx : str, optional
        Sources, as of `ImageIter`.
    shuffle : bool
        Take the images in another order each epoch.
    part_index, num_parts : int
        Take one of so many parts of the images.
    aug_list : list of DetAugmenter, optional
        Augmenters; those of `CreateDetAugmenter` if left out.
    imglist : list, optional
        Items ``[labels..., path]`` or ``[[labels], path]``.
    data_name, label_name : str
        Names in batches.
    last_batch_handle : str
        ``pad``, ``discard`` or ``roll_over``.
    **kwargs : object
        As of `CreateDetAugmenter`.

    Notes
    -----
    Source: MXNet's ``mx.image.ImageDetIter``.
    """

    def __init__(
        self,
        batch_size: int,
        data_shape: Sequence[int],
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
        label_name: str = "label",
        last_batch_handle: str = "pad",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            batch_size, data_shape, path_imgrec=path_imgrec, path_imglist=path_imglist,
            path_root=path_root, path_imgidx=path_imgidx, shuffle=shuffle, part_index=part_index,
            num_parts=num_parts, aug_list=[], imglist=imglist, data_name=data_name,
            label_name=label_name, last_batch_handle=last_batch_handle,
        )  # fmt: skip
        made = CreateDetAugmenter(data_shape, **kwargs) if aug_list is None else aug_list
        self.auglist = made
        self.label_shape = self._estimated()

    def _estimated(self) -> tuple[int, int]:
        """Most objects of an image, and the numbers of an object."""
        most, width = 0, 5
        self.reset()
        while True:
            try:
                label, _ = self.next_sample()
            except StopIteration:
                break
            found = self._parsed(label)
            most, width = max(most, len(found)), max(width, found.shape[1])
        self.reset()
        return most, width

    @staticmethod
    def _parsed(label: Any) -> np.ndarray:
        """Objects of a label, without those of no size."""
        flat = np.asarray(label, np.float32).reshape(-1)
        header, width = (int(flat[0]), int(flat[1])) if flat.size > 1 else (0, 0)
        if header < 2 or width < 5 or flat.size < header or (flat.size - header) % width:
            raise FormatError(
                f"a label of {flat.size} numbers is not 'width of the header, width of an object, "
                "..., objects'"
            )
        rows = flat[header:].reshape(-1, width)
        return rows[(rows[:, 3] > rows[:, 1]) & (rows[:, 4] > rows[:, 2])]

    @property
    def provide_label(self) -> list[DataDesc]:
        """Descriptions of the labels."""
        return [DataDesc(self._names[1], (self.batch_size, *self.label_shape))]

    def reshape(
        self, data_shape: Sequence[int] | None = None, label_shape: Sequence[int] | None = None
    ) -> None:
        """Change the shapes of the batches.

        Parameters
        ----------
        data_shape : tuple of int, optional
            (C, H, W).
        label_shape : tuple of int, optional
            Objects of an image, and numbers of an object.

        Raises
        ------
        ShapeError
            If there are images with more objects.
        """
        if data_shape is not None:
            self.check_data_shape(data_shape)
            self.data_shape = tuple(data_shape)
        if label_shape is not None:
            if any(new < old for new, old in zip(label_shape, self.label_shape, strict=True)):
                raise ShapeError(
                    "label_shape", expected=f"at least {self.label_shape}", received=label_shape
                )
            self.label_shape = (int(label_shape[0]), int(label_shape[1]))

    def sync_label_shape(self, it: ImageDetIter, verbose: bool = False) -> ImageDetIter:
        """Let this and another iterator have labels of one shape.

        Parameters
        ----------
        it : ImageDetIter
            The other one.
        verbose : bool
            Accepted, without effect.

        Returns
        -------
        ImageDetIter
            The other one.
        """
        objects = max(self.label_shape[0], it.label_shape[0])
        shape = objects, max(self.label_shape[1], it.label_shape[1])
        self.reshape(label_shape=shape)
        it.reshape(label_shape=shape)
        return it

    def _sample(self) -> tuple[np.ndarray, np.ndarray]:
        label, content = self.next_sample()
        boxes = self._parsed(label)
        data = self.imdecode(content)
        for step in self.auglist:
            data, boxes = step(data, boxes)
        found = im.pixels_of(self.postprocess_data(data))
        if found.shape != self.data_shape:
            raise ShapeError(
                "an image after the augmenters", expected=self.data_shape, received=found.shape
            )
        rows = np.full(self.label_shape, -1, np.float32)
        rows[: len(boxes), : boxes.shape[1]] = boxes
        return found, rows

    def _batch_labels(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack(rows)
