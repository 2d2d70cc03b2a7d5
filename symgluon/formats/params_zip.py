"""Zip files of ``.npy`` members: parameters of MXNet 2.x, and NumPy's own ``.npz``.

A sparse array of MXNet 2.x is a folder of members: ``NAME/data``, ``indices``, ``indptr`` (CSR
only), ``shape``, ``format``.  Facts from MXNet's ``src/serialization/cnpy.cc`` and its files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from symgluon.errors import FormatError
from symgluon.formats import zip_file
from symgluon.formats.loading import Loading, nbytes
from symgluon.formats.npy import MAX_HEAD, build, dump_npy, read_header, read_npy
from symgluon.formats.params_sparse import densify
from symgluon.formats.zip_file import Member

#: the members of the kinds of sparse arrays, and which of them are index arrays
_ROW_SPARSE = frozenset({"data", "indices", "shape", "format"})
_CSR = _ROW_SPARSE | {"indptr"}
_INDICES = {"row_sparse": ("indices",), "csr": ("indptr", "indices")}


def load(view: memoryview, loading: Loading) -> dict[str, np.ndarray]:
    """Read every member of the zip file, in its order; sparse arrays are dense."""
    members = zip_file.read_directory(view, loading)
    loading.unpack(sum(m.size for m in members if m.method != zip_file.STORED), "deflated members")
    groups = _sparse_groups(members)
    found: dict[str, np.ndarray] = {}
    read: set[str] = set()  # folders of sparse arrays, each read with the first of its members
    for member in members:
        folder = member.name.rpartition("/")[0]
        if folder in read:
            continue
        name = folder if folder in groups else _name(member)
        if name in found:
            raise loading.error(f"two members are named {name!r:.80}", member.start)
        if folder in groups:
            read.add(folder)
            found[name] = _sparse(view, name, groups[folder], loading)
        else:
            found[name] = _dense(view, member, loading)
    return found


def _name(member: Member) -> str:
    return member.name.removesuffix(".npy")


def _what(member: Member) -> str:
    return f"member {member.name!r:.80}"


def _sparse_groups(members: list[Member]) -> dict[str, dict[str, Member]]:
    """Return the folders that hold just the members of a sparse array."""
    folders: dict[str, dict[str, Member]] = defaultdict(dict)
    for member in members:
        folder, _, part = _name(member).rpartition("/")
        folders[folder][part] = member
    return {f: parts for f, parts in folders.items() if parts.keys() in (_ROW_SPARSE, _CSR)}


def _dense(view: memoryview, member: Member, loading: Loading) -> np.ndarray:
    what = _what(member)
    if member.method == zip_file.STORED:
        return read_npy(zip_file.check_crc(view, member, loading), loading, member.start, what)
    chunks = zip_file.inflate(view, member, loading)
    head = bytearray()
    for chunk in chunks:
        head += chunk
        if len(head) >= MAX_HEAD:
            break
    header = read_header(memoryview(head), loading, member.start, what)
    start = header[3]
    need = start + nbytes(*header[:2])
    if need != member.size:
        raise loading.error(
            f"{what}: its header asks for {need} bytes, the zip declares {member.size}",
            member.start,
        )
    flat = np.empty(need - start, np.uint8)
    flat[: len(head) - start] = np.frombuffer(head, np.uint8)[start:]
    at = len(head) - start
    del head
    for chunk in chunks:  # no more bytes than declared
        flat[at : at + len(chunk)] = np.frombuffer(chunk, np.uint8)
        at += len(chunk)
    return build(flat, header, loading, member.start, what)


def _sparse(view: memoryview, name: str, parts: dict[str, Member], loading: Loading) -> np.ndarray:
    where = parts["data"].start

    def error(text: str) -> FormatError:
        return loading.error(f"sparse array {name!r:.80}: {text}", where)

    kind = _format(view, parts["format"], loading)
    if kind not in _INDICES or _INDICES[kind] != tuple(
        p for p in ("indptr", "indices") if p in parts
    ):
        raise error(f"its format is {kind!r:.40}; only csr and row_sparse are read")
    shape = _dense(view, parts["shape"], loading)
    if shape.ndim != 1 or shape.dtype.kind not in "iu" or (shape.size and int(shape.min()) < 0):
        raise error("its member shape is not a list of sizes")
    return densify(
        kind,
        tuple(int(n) for n in shape),
        _dense(view, parts["data"], loading),
        [_dense(view, parts[p], loading) for p in _INDICES[kind]],
        loading,
        error,
    )


def _format(view: memoryview, member: Member, loading: Loading) -> str:
    """Return the text in ``NAME/format.npy``, whose header MXNet 2.0 writes as no Python reads."""
    if member.size > MAX_HEAD:
        raise loading.error(f"{_what(member)} has {member.size} bytes", member.start)
    if member.method == zip_file.STORED:
        data = bytes(zip_file.check_crc(view, member, loading))
    else:
        data = b"".join(zip_file.inflate(view, member, loading))
    text = data[10 + int.from_bytes(data[8:10], "little") :]
    return text.replace(b"\0", b"").decode("latin1")  # NumPy may use four bytes a letter


# ---- writing -----------------------------------------------------------------------------------
def dump(data: Mapping[str, np.ndarray]) -> Iterator[bytes | memoryview]:
    """Yield a zip of stored ``.npy`` members: byte for byte what MXNet 2.0 writes."""
    return zip_file.write_zip((f"{n}.npy", dump_npy(np.asarray(a))) for n, a in data.items())
