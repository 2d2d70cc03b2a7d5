"""`mx.recordio`: files of records (``.rec``), with an index by key (``.idx``) or without.

A record is a word 0xced7230a, a word of three flag bits and 29 bits of length, the bytes, and zeros
up to a multiple of four.  Where the content itself has that first word at a multiple of four, it is
cut there: parts have the flags 1 (first), 2 and 3 (last), and the word between them is left out.
The index has a line ``key TAB offset`` for each record.
"""

from __future__ import annotations

import io
import numbers
import os
import struct
from collections.abc import Callable
from typing import IO, Any, NamedTuple

import numpy as np

from symgluon.errors import AttributeValueError, FormatError, SymgluonError

MAGIC = 0xCED7230A
_WORD = struct.pack("<I", MAGIC)
_HEADER = struct.Struct("<IfQQ")
_LONGEST = (1 << 29) - 1


class IRHeader(NamedTuple):
    """What stands before an image: how many labels, the label (or labels), and two numbers.

    Parameters
    ----------
    flag : int
        Number of labels; 0: one, in `label`.
    label : float or array
        The label, or labels.
    id, id2 : int
        Numbers of the image.

    Notes
    -----
    Source: MXNet's ``mx.recordio.IRHeader``.
    """

    flag: int
    label: Any
    id: int
    id2: int


# ---- one record ------------------------------------------------------------------------------------
def framed(content: bytes) -> bytes:
    """Return the bytes that a file has for a record.

    Parameters
    ----------
    content : bytes
        The record.

    Returns
    -------
    bytes
        Words and content, a multiple of four long.

    Raises
    ------
    ValueError
        If it is longer than 512 MB.
    """
    if len(content) > _LONGEST:
        raise ValueError(f"a record of {len(content)} bytes; at most {_LONGEST} are written")
    parts = []
    start = 0
    place = content.find(_WORD)
    while place >= 0:
        if place % 4 == 0:
            parts.append(content[start:place])
            start = place + 4
            place = content.find(_WORD, start)
        else:
            place = content.find(_WORD, place + 1)
    parts.append(content[start:])
    last = len(parts) - 1
    out = []
    for i, part in enumerate(parts):
        flag = 0 if last == 0 else 1 if i == 0 else 3 if i == last else 2
        out += [_WORD, struct.pack("<I", flag << 29 | len(part)), part, bytes(-len(part) % 4)]
    return b"".join(out)


def read_record(file: IO[bytes], path: str = "") -> bytes | None:
    """Read the record at the present place of a file.

    Parameters
    ----------
    file : file
        Open for reading bytes.
    path : str
        Its name, for messages.

    Returns
    -------
    bytes or None
        None at the end of the file.

    Raises
    ------
    FormatError
        If there is no whole record.
    """
    parts: list[bytes] = []
    while True:
        offset = file.tell()
        head = file.read(8)
        if not head and not parts:
            return None
        if not head:
            raise FormatError(
                "the record is split into parts, and the last of them is missing",
                path=path or None,
                offset=offset,
            )
        if len(head) < 8 or head[:4] != _WORD:
            raise FormatError("there is no record here", path=path or None, offset=offset)
        (word,) = struct.unpack("<I", head[4:])
        flag, length = word >> 29, word & _LONGEST
        if flag > 3 or (flag in (2, 3)) != bool(parts):
            raise FormatError(
                f"part {flag} of a record where there is none", path=path or None, offset=offset
            )
        content = file.read(length)
        if len(content) < length:
            raise FormatError("the record is truncated", path=path or None, offset=offset)
        file.read(-length % 4)
        parts.append(content)
        if flag in (0, 3):
            return _WORD.join(parts)


# ---- files -----------------------------------------------------------------------------------------
class MXRecordIO:
    """A file of records, read or written one after the other.

    Parameters
    ----------
    uri : str
        The file.
    flag : str
        ``"r"`` to read, ``"w"`` to write it anew.

    Raises
    ------
    ValueError
        For another flag.
    OSError
        If it cannot be opened.

    Notes
    -----
    Source: MXNet's ``mx.recordio.MXRecordIO``.

    Examples
    --------
    >>> import symgluon as mx
    >>> out = mx.recordio.MXRecordIO("some.rec", "w")
    >>> out.write(b"first")
    >>> out.close()
    >>> mx.recordio.MXRecordIO("some.rec", "r").read()
    b'first'
    """

    _file: Any = None

    def __init__(self, uri: str, flag: str) -> None:
        if flag not in ("r", "w"):
            raise ValueError(f"Invalid flag {flag}; a record file is opened with 'r' or 'w'")
        self.uri = os.fspath(uri)
        self.flag = flag
        self.is_open = False
        self.open()

    @property
    def writable(self) -> bool:
        """Whether it is written."""
        return self.flag == "w"

    def open(self) -> None:
        """Open the file; one that is written is empty then."""
        self._file = open(self.uri, "wb" if self.writable else "rb")  # noqa: SIM115
        self._process = os.getpid()
        self.is_open = True

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self.is_open = False

    def reset(self) -> None:
        """Go back to the first record; what was written is dropped."""
        self.close()
        self.open()

    def __del__(self) -> None:
        self.close()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        if self.writable and self.is_open:
            raise SymgluonError(
                f"{self.uri} is being written and cannot go to another process",
                hint="close it first",
            )
        return {**self.__dict__, "_file": None}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        self.__dict__.update(saved)
        if self.is_open:
            self.open()

    def _opened(self, writing: bool) -> Any:
        """Return the file; a forked process opens its own."""
        if writing != self.writable:
            kind = "written" if self.writable else "read"
            raise AttributeValueError(
                f"{self.uri} is {kind}", hint=f"open it with {'w' if writing else 'r'!r}"
            )
        if self._file is None:
            raise SymgluonError(f"{self.uri} is closed", hint="call open() or reset()")
        if self._process != os.getpid():
            if writing:
                raise SymgluonError(
                    f"{self.uri} is being written by another process",
                    hint="open a file of its own in each process",
                )
            place = self._file.tell()
            self._file = open(self.uri, "rb")  # noqa: SIM115
            self._file.seek(place)
            self._process = os.getpid()
        return self._file

    def write(self, buf: bytes) -> None:
        """Append a record.

        Parameters
        ----------
        buf : bytes
            Its content.
        """
        self._opened(True).write(framed(bytes(buf)))

    def read(self) -> bytes | None:
        """Read the next record.

        Returns
        -------
        bytes or None
            None at the end of the file.

        Raises
        ------
        FormatError
            If the file is damaged.
        """
        return read_record(self._opened(False), self.uri)

    def tell(self) -> int:
        """Return where the next record is, or will be.

        Returns
        -------
        int
            Offset in the file.
        """
        found: int = self._opened(self.writable).tell()
        return found


class MXIndexedRecordIO(MXRecordIO):
    """A file of records that are read by key.

    Parameters
    ----------
    idx_path : str
        The index.
    uri : str
        The file of records.
    flag : str
        ``"r"`` to read, ``"w"`` to write both anew.
    key_type : type
        Of the keys.

    Raises
    ------
    ValueError
        For another flag.
    FormatError
        If a line of the index is none.

    Notes
    -----
    Source: MXNet's ``mx.recordio.MXIndexedRecordIO``.

    Examples
    --------
    >>> import symgluon as mx
    >>> with mx.recordio.MXIndexedRecordIO("some.idx", "some.rec", "w") as out:
    ...     out.write_idx(7, b"seven")
    >>> records = mx.recordio.MXIndexedRecordIO("some.idx", "some.rec", "r")
    >>> records.keys, records.read_idx(7)
    ([7], b'seven')
    """

    _index_file: Any = None

    def __init__(
        self, idx_path: str, uri: str, flag: str, key_type: Callable[[str], Any] = int
    ) -> None:
        self.idx_path = os.fspath(idx_path)
        self.key_type = key_type
        self.idx: dict[Any, int] = {}
        self.keys: list[Any] = []
        super().__init__(uri, flag)

    def open(self) -> None:
        """Open both files; those that are written are empty then."""
        super().open()
        self.idx, self.keys = {}, []
        if self.writable:
            self._index_file = open(self.idx_path, "w", encoding="utf-8")  # noqa: SIM115
            return
        with open(self.idx_path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    self._add(line, number)

    def _add(self, line: str, number: int) -> None:
        try:
            key_text, offset = line.strip().split("\t")
            key = self.key_type(key_text)
            self.idx[key] = int(offset)
        except ValueError:
            raise FormatError(
                f"line {number} is not 'key TAB offset': {line.strip()!r}", path=self.idx_path
            ) from None
        self.keys.append(key)

    def close(self) -> None:
        """Close both files."""
        super().close()
        if self._index_file is not None:
            self._index_file.close()
            self._index_file = None

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_index_file": None}

    def seek(self, idx: Any) -> None:
        """Go to a record.

        Parameters
        ----------
        idx : key
            One of `keys`.

        Raises
        ------
        KeyError
            If there is no such record.
        """
        file = self._opened(False)
        if idx not in self.idx:
            raise KeyError(f"{self.idx_path} has no record {idx!r}")
        file.seek(self.idx[idx])

    def read_idx(self, idx: Any) -> bytes | None:
        """Read a record by its key.

        Parameters
        ----------
        idx : key
            One of `keys`.

        Returns
        -------
        bytes
            Its content.
        """
        self.seek(idx)
        return self.read()

    def write_idx(self, idx: Any, buf: bytes) -> None:
        """Append a record under a key.

        Parameters
        ----------
        idx : key
            Its key.
        buf : bytes
            Its content.
        """
        key = self.key_type(idx)
        place = self.tell()
        self.write(buf)
        self._index_file.write(f"{key}\t{place}\n")
        self.idx[key] = place
        self.keys.append(key)


# ---- images ----------------------------------------------------------------------------------------
def pack(header: IRHeader | tuple[Any, ...], s: bytes) -> bytes:
    """Put a header before the bytes of an image.

    Parameters
    ----------
    header : IRHeader
        Its label is a number, or an array.
    s : bytes
        The image, encoded.

    Returns
    -------
    bytes
        A record.

    Notes
    -----
    Source: MXNet's ``mx.recordio.pack``.

    Examples
    --------
    >>> import symgluon as mx
    >>> record = mx.recordio.pack(mx.recordio.IRHeader(0, 4, 7, 0), b"image")
    >>> mx.recordio.unpack(record)
    (IRHeader(flag=0, label=4.0, id=7, id2=0), b'image')
    """
    header = IRHeader(*header)
    if isinstance(header.label, numbers.Number):
        return _HEADER.pack(*header._replace(flag=0)) + s
    labels = np.asarray(header.label, dtype="<f4")
    return _HEADER.pack(*header._replace(flag=labels.size, label=0)) + labels.tobytes() + s


def unpack(s: bytes) -> tuple[IRHeader, bytes]:
    """Split a record into its header and the image.

    Parameters
    ----------
    s : bytes
        A record.

    Returns
    -------
    tuple of IRHeader and bytes
        Several labels come as an array.

    Raises
    ------
    FormatError
        If it is too short.

    Notes
    -----
    Source: MXNet's ``mx.recordio.unpack``.
    """
    if len(s) < _HEADER.size:
        raise FormatError(f"a record of {len(s)} bytes has no header of {_HEADER.size}")
    header = IRHeader(*_HEADER.unpack_from(s))
    rest = s[_HEADER.size :]
    if header.flag:
        size = 4 * header.flag
        if len(rest) < size:
            raise FormatError(f"a record says it has {header.flag} labels and is too short")
        header = header._replace(label=np.frombuffer(rest[:size], "<f4"))
        rest = rest[size:]
    return header, rest


def decode_pixels(source: bytes | str, flag: int = 1) -> np.ndarray:
    """Decode an image file with Pillow.

    Parameters
    ----------
    source : str or bytes
        A file's path, or its bytes.
    flag : int
        1: colours; 0: grey; -1: as the file has them, transparency included.

    Returns
    -------
    numpy.ndarray (H, W, C), uint8
        Channels red, green, blue.

    Raises
    ------
    MXNetError
        If Pillow is not installed.
    FormatError
        If it is no image.
    """
    image_module = _pillow()
    where = None if isinstance(source, bytes) else source
    opened: Any = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with image_module.open(opened) as image:
            if flag < 0:
                mode = image.mode if image.mode in ("L", "RGB", "RGBA") else "RGB"
            else:
                mode = "RGB" if flag else "L"
            pixels = np.array(image.convert(mode))
    except image_module.UnidentifiedImageError as error:
        raise FormatError(f"it is no image: {error}", path=where) from None
    except (OSError, SyntaxError) as error:
        if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
            raise
        raise FormatError(f"the image is damaged: {error}", path=where) from None
    return pixels if pixels.ndim == 3 else pixels[..., None]


def encode_pixels(pixels: np.ndarray, quality: int = 95, img_fmt: str = ".jpg") -> bytes:
    """Encode an image with Pillow.

    Parameters
    ----------
    pixels : numpy.ndarray (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), uint8
        Channels red, green, blue, transparency.
    quality : int
        Of a JPEG, 1 to 100; of a PNG the compression, 0 to 9.
    img_fmt : str
        ``.jpg``, ``.jpeg`` or ``.png``.

    Returns
    -------
    bytes
        The file.

    Raises
    ------
    MXNetError
        If Pillow is not installed.
    AttributeValueError
        For another format.
    """
    image_module = _pillow()
    kind = img_fmt.lower()
    if kind not in (".jpg", ".jpeg", ".png"):
        raise AttributeValueError("img_fmt", expected=".jpg, .jpeg or .png", received=img_fmt)
    flat = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    file = io.BytesIO()
    image = image_module.fromarray(np.ascontiguousarray(flat.astype(np.uint8, copy=False)))
    if kind == ".png":
        image.save(file, "PNG", compress_level=min(quality, 9))
    else:
        image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise SymgluonError(
            "images are decoded and encoded by Pillow, which is not installed",
            hint="pip install 'symgluon[image]', or pip install pillow",
        ) from None
    return Image


def _turned(pixels: np.ndarray) -> np.ndarray:
    """Red, green, blue to blue, green, red, or back."""
    if pixels.ndim < 3 or pixels.shape[2] < 3:
        return pixels
    return np.ascontiguousarray(np.concatenate([pixels[..., 2::-1], pixels[..., 3:]], axis=2))


def pack_img(
    header: IRHeader | tuple[Any, ...], img: np.ndarray, quality: int = 95, img_fmt: str = ".jpg"
) -> bytes:
    """Encode an image and put a header before it.

    Parameters
    ----------
    header : IRHeader
        Its label is a number, or an array.
    img : numpy.ndarray (H, W, 3) or (H, W), uint8
        Channels blue, green, red, as in MXNet.
    quality : int
        Of a JPEG, 1 to 100; of a PNG the compression, 0 to 9.
    img_fmt : str
        ``.jpg`` or ``.png``.

    Returns
    -------
    bytes
        A record.

    Raises
    ------
    MXNetError
        If Pillow is not installed.
    AttributeValueError
        For another format.

    Notes
    -----
    Source: MXNet's ``mx.recordio.pack_img``.
    """
    return pack(header, encode_pixels(_turned(np.asarray(img)), quality, img_fmt))


def unpack_img(s: bytes, iscolor: int = -1) -> tuple[IRHeader, np.ndarray]:
    """Split a record into its header and the decoded image.

    Parameters
    ----------
    s : bytes
        A record.
    iscolor : int
        1: colours; 0: grey; -1: as the file has them.

    Returns
    -------
    tuple of IRHeader and numpy.ndarray
        (H, W, 3) with the channels blue, green, red, as in MXNet; (H, W) for grey.

    Raises
    ------
    MXNetError
        If Pillow is not installed.
    FormatError
        If it is damaged.

    Notes
    -----
    Source: MXNet's ``mx.recordio.unpack_img``.
    """
    header, content = unpack(s)
    pixels = decode_pixels(content, iscolor)
    return header, pixels[..., 0] if pixels.shape[2] == 1 else _turned(pixels)
