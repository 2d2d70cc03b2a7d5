"""Image datasets in files (MXNet's ``gluon.data.vision``)."""

from __future__ import annotations

import gzip
import os
import struct
import tarfile
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgluon.errors import FormatError
from symgluon.gluon.data.batchify import to_array
from symgluon.gluon.data.dataset import Dataset, RecordFileDataset
from symgluon.gluon.utils import check_sha1, download
from symgluon.recordio import decode_pixels, unpack

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "MNIST",
    "FashionMNIST",
    "ImageFolderDataset",
    "ImageListDataset",
    "ImageRecordDataset",
]

_REPOSITORY = "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/"


class _Downloaded(Dataset):
    """Images and labels from files of a folder, which are downloaded if they are not there.

    Parameters
    ----------
    root : str
        Folder of the files.
    train : bool
        The images to train on, or those to test with.
    transform : callable, optional
        Deprecated: use ``dataset.transform(fn)``.
    """

    _namespace = ""

    def __init__(self, root: str, transform: Callable[..., Any] | None) -> None:
        self._root = os.path.expanduser(root)
        self._transform = transform
        os.makedirs(self._root, exist_ok=True)
        self._data, self._label = self._read()

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError(f"{type(self).__name__} must define _read")

    def _file(self, name: str, sha1: str, check: bool = True) -> str:
        """Path of a file, downloaded if it is missing or another one."""
        path = os.path.join(self._root, name)
        if os.path.exists(path) and (not check or check_sha1(path, sha1)):
            return path
        url = f"{_REPOSITORY}gluon/dataset/{self._namespace}/{name}"
        return download(url, path=path, sha1_hash=sha1, retries=1)

    def __getitem__(self, idx: Any) -> Any:
        """Image and label number `idx`."""
        image, label = to_array(np.array(self._data[idx])), self._label[idx]
        return (image, label) if self._transform is None else self._transform(image, label)

    def __len__(self) -> int:
        return len(self._label)


def _read_idx(path: str) -> np.ndarray:
    """Read a (compressed) file of MNIST's format: unsigned bytes in any number of axes.

    Raises
    ------
    FormatError
        If it is none.
    """
    with open(path, "rb") as file:
        content = file.read()
    if content[:3] != b"\x00\x00\x08":  # compressed, as it is downloaded
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError) as error:
            raise FormatError(f"it is no gzip file: {error}", path=path) from None
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise FormatError("it is no file of unsigned bytes in MNIST's format", path=path)
    rank = content[3]
    start = 4 + 4 * rank
    if len(content) < start:
        raise FormatError("the header is truncated", path=path)
    shape = struct.unpack(f">{rank}I", content[4:start])
    values = np.frombuffer(content, np.uint8, offset=start)
    if values.size != int(np.prod(shape)):
        raise FormatError(
            "the file is truncated", path=path, expected=f"{shape}", received=values.size
        )
    return values.reshape(shape)


class MNIST(_Downloaded):
    """Handwritten digits: images (28, 28, 1) in uint8, labels in int32.

    Parameters
    ----------
    root : str
        Folder of the files; what is missing is downloaded.
    train : bool
        The images to train on, or those to test with.
    transform : callable, optional
        Deprecated: use ``dataset.transform(fn)``.

    Raises
    ------
    MXNetError
        If a file is missing and cannot be downloaded.
    FormatError
        If a file is damaged.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.MNIST``.
    """

    _namespace = "mnist"
    _train = (("train-images-idx3-ubyte.gz", "6c95f4b05d2bf285e1bfb0e7960c31bd3b3f8a7d"),
              ("train-labels-idx1-ubyte.gz", "2a80914081dc54586dbdf242f9805a6b8d2a15fc"))  # fmt: skip
    _test = (("t10k-images-idx3-ubyte.gz", "c3a25af1f52dad7f726cce8cacb138654b760d48"),
             ("t10k-labels-idx1-ubyte.gz", "763e7fa3757d93b0cdec073cef058b2004252c17"))  # fmt: skip

    def __init__(
        self,
        root: str = os.path.join("~", ".mxnet", "datasets", "mnist"),
        train: bool = True,
        transform: Callable[..., Any] | None = None,
    ) -> None:
        self._parts = self._train if train else self._test
        super().__init__(root, transform)

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        images, labels = (_read_idx(self._file(*part, check=False)) for part in self._parts)
        return images[..., None], labels.astype(np.int32)


class FashionMNIST(MNIST):
    """Clothes: images (28, 28, 1) in uint8, labels in int32.

    Parameters
    ----------
    root : str
        Folder of the files; what is missing is downloaded.
    train : bool
        The images to train on, or those to test with.
    transform : callable, optional
        Deprecated: use ``dataset.transform(fn)``.

    Raises
    ------
    MXNetError
        If a file is missing and cannot be downloaded.
    FormatError
        If a file is damaged.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.FashionMNIST``.
    """

    _namespace = "fashion-mnist"
    _train = (("train-images-idx3-ubyte.gz", "0cf37b0d40ed5169c6b3aba31069a9770ac9043d"),
              ("train-labels-idx1-ubyte.gz", "236021d52f1e40852b06a4c3008d8de8aef1e40b"))  # fmt: skip
    _test = (("t10k-images-idx3-ubyte.gz", "626ed6a7c06dd17c0eec72fa3be1740f146a2863"),
             ("t10k-labels-idx1-ubyte.gz", "17f9ab60e7257a1620f4ad76bbbaf857c3920701"))  # fmt: skip

    def __init__(
        self,
        root: str = os.path.join("~", ".mxnet", "datasets", "fashion-mnist"),
        train: bool = True,
        transform: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(root, train, transform)


class CIFAR10(_Downloaded):
    """Small photographs of ten classes: images (32, 32, 3) in uint8, labels in int32.

    Parameters
    ----------
    root : str
        Folder of the files; what is missing is downloaded.
    train : bool
        The images to train on, or those to test with.
    transform : callable, optional
        Deprecated: use ``dataset.transform(fn)``.

    Raises
    ------
    MXNetError
        If a file is missing and cannot be downloaded.
    FormatError
        If a file is damaged.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.CIFAR10``.
    """

    _namespace = "cifar10"
    _archive = ("cifar-10-binary.tar.gz", "fab780a1e191a7eda0f345501ccd62d20f7ed891")
    _train: tuple[str, ...] = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
    _test: tuple[str, ...] = ("test_batch.bin",)
    #: bytes of labels before an image, and which of them is the label
    _labels = (1, 0)

    def __init__(
        self,
        root: str = os.path.join("~", ".mxnet", "datasets", "cifar10"),
        train: bool = True,
        transform: Callable[..., Any] | None = None,
    ) -> None:
        self._parts = self._train if train else self._test
        super().__init__(root, transform)

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        paths = [os.path.join(self._root, name) for name in self._parts]
        if not all(os.path.exists(path) for path in paths):
            self._unpack()
        rows = np.concatenate([self._rows(path) for path in paths])
        count, which = self._labels
        images = rows[:, count:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return images, rows[:, which].astype(np.int32)

    def _unpack(self) -> None:
        archive = self._file(*self._archive)
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                name = os.path.basename(member.name)
                source = tar.extractfile(member) if name.endswith(".bin") else None
                if source is not None:
                    with open(os.path.join(self._root, name), "wb") as file:
                        file.write(source.read())

    def _rows(self, path: str) -> np.ndarray:
        size = self._labels[0] + 3072
        content = np.fromfile(path, np.uint8)
        if not content.size or content.size % size:
            raise FormatError(f"it does not consist of records of {size} bytes", path=path)
        return content.reshape(-1, size)


class CIFAR100(CIFAR10):
    """Small photographs of a hundred classes in twenty groups.

    Parameters
    ----------
    root : str
        Folder of the files; what is missing is downloaded.
    fine_label : bool
        Labels are the hundred classes, not the twenty groups.
    train : bool
        The images to train on, or those to test with.
    transform : callable, optional
        Deprecated: use ``dataset.transform(fn)``.

    Raises
    ------
    MXNetError
        If a file is missing and cannot be downloaded.
    FormatError
        If a file is damaged.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.CIFAR100``.
    """

    _namespace = "cifar100"
    _archive = ("cifar-100-binary.tar.gz", "a0bb982c76b83111308126cc779a992fa506b90b")
    _train = ("train.bin",)
    _test = ("test.bin",)

    def __init__(
        self,
        root: str = os.path.join("~", ".mxnet", "datasets", "cifar100"),
        fine_label: bool = False,
        train: bool = True,
        transform: Callable[..., Any] | None = None,
    ) -> None:
        self._labels = (2, 1 if fine_label else 0)
        super().__init__(root, train, transform)


# ---- image files -------------------------------------------------------------------------------
def decode_image(source: bytes | str, flag: int = 1) -> Any:
    """Decode an image.

    Parameters
    ----------
    source : str or bytes
        A file's path, or its bytes.
    flag : int
        1: colours (H, W, 3); 0: grey (H, W, 1).

    Returns
    -------
    array (H, W, C), uint8
        The image.

    Raises
    ------
    MXNetError
        If Pillow is not installed.
    FormatError
        If it is no image.
    """
    return to_array(decode_pixels(source, 1 if flag else 0))


class ImageRecordDataset(RecordFileDataset):
    """Images and labels in a record file.

    Parameters
    ----------
    filename : str
        The ``.rec`` file, with an ``.idx`` file beside it.
    flag : int
        1: colours (H, W, 3); 0: grey (H, W, 1).
    transform : callable, optional
        Deprecated: use ``dataset.transform(fn)``.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.ImageRecordDataset``.
    """

    def __init__(
        self, filename: str, flag: int = 1, transform: Callable[..., Any] | None = None
    ) -> None:
        super().__init__(filename)
        self._flag, self._transform = flag, transform

    def __getitem__(self, idx: int) -> Any:
        """Image and label number `idx`."""
        header, content = unpack(super().__getitem__(idx))
        image = decode_image(content, self._flag)
        if self._transform is not None:
            return self._transform(image, header.label)
        return image, header.label


_EXTENSIONS = (".jpg", ".jpeg", ".png")


class ImageFolderDataset(Dataset):
    """Images in one folder a class; labels are the numbers of the folders, in order.

    Parameters
    ----------
    root : str
        Folder of the folders.
    flag : int
        1: colours (H, W, 3); 0: grey (H, W, 1).
    transform : callable, optional
        Deprecated: use ``dataset.transform(fn)``.

    Attributes
    ----------
    synsets : list of str
        Names of the classes.
    items : list of (str, int)
        Paths and labels.

    Warns
    -----
    UserWarning
        For files that are no images, and files beside the folders.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.ImageFolderDataset``.
    """

    def __init__(
        self, root: str, flag: int = 1, transform: Callable[..., Any] | None = None
    ) -> None:
        self._root, self._flag, self._transform = os.path.expanduser(root), flag, transform
        self.synsets: list[str] = []
        self.items: list[tuple[str, int]] = []
        for folder in sorted(os.listdir(self._root)):
            path = os.path.join(self._root, folder)
            if not os.path.isdir(path):
                warnings.warn(f"Ignoring {path}, which is not a directory.", stacklevel=2)
                continue
            label = len(self.synsets)
            self.synsets.append(folder)
            for name in sorted(os.listdir(path)):
                if name.lower().endswith(_EXTENSIONS):
                    self.items.append((os.path.join(path, name), label))
                else:
                    warnings.warn(
                        f"Ignoring {os.path.join(path, name)}, whose extension is none of "
                        f"{', '.join(_EXTENSIONS)}",
                        stacklevel=2,
                    )

    def __getitem__(self, idx: int) -> Any:
        """Image and label number `idx`."""
        path, label = self.items[idx]
        image = decode_image(path, self._flag)
        return (image, label) if self._transform is None else self._transform(image, label)

    def __len__(self) -> int:
        return len(self.items)


class ImageListDataset(Dataset):
    """Images and labels of a list.

    Parameters
    ----------
    root : str
        Folder that paths are relative to.
    imglist : list, or path of a file
        Entries ``[label, ..., path]``; lines ``index TAB label TAB ... TAB path``.
    flag : int
        1: colours (H, W, 3); 0: grey (H, W, 1).

    Raises
    ------
    ValueError
        Without a list.
    FormatError
        If a line of the file is none.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.ImageListDataset``.
    """

    def __init__(self, root: str = ".", imglist: Any = None, flag: int = 1) -> None:
        self._root, self._flag = os.path.expanduser(root), flag
        if imglist is None:
            raise ValueError("imglist is a list of [label, ..., path], or a file of such lines")
        entries = (
            _lines(os.path.join(self._root, imglist)) if isinstance(imglist, str) else imglist
        )
        self.items = [self._entry(entry) for entry in entries]

    def _entry(self, entry: Sequence[Any]) -> tuple[str, np.ndarray]:
        *labels, path = entry
        flat = labels[0] if len(labels) == 1 and isinstance(labels[0], list | tuple) else labels
        return os.path.join(self._root, path), np.array(flat, np.float32)

    def __getitem__(self, idx: int) -> Any:
        """Image and label number `idx`."""
        path, label = self.items[idx]
        return decode_image(path, self._flag), to_array(label)

    def __len__(self) -> int:
        return len(self.items)


def _lines(path: str) -> list[list[Any]]:
    entries = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            parts = line.strip().split("\t")
            if parts == [""]:
                continue
            if len(parts) < 3:
                raise FormatError(f"line {number} has no index, label and path", path=path)
            entries.append([*map(float, parts[1:-1]), parts[-1]])
    return entries
