"""Record files: byte for byte what MXNet 1.9.1 writes."""

from __future__ import annotations

import pickle
import struct

import numpy as np
import pytest

import symgluon as mx
from symgluon import recordio
from symgluon.errors import FormatError, SymgluonError

WORD = b"\x0a\x23\xd7\xce"
CONTENTS = [b"abc", b"", b"x" * 9, WORD, b"1234" + WORD + b"5678" + WORD, b"1" + WORD, WORD * 2]
#: what MXIndexedRecordIO of MXNet 1.9.1 wrote for them
RECORDED = (
    "0a23d7ce03000000616263000a23d7ce000000000a23d7ce090000007878787878787878780000000a23d7ce0000"
    "00200a23d7ce000000600a23d7ce04000020313233340a23d7ce04000040353637380a23d7ce000000600a23d7ce"
    "05000000310a23d7ce0000000a23d7ce000000200a23d7ce000000400a23d7ce00000060"
)
INDEX = "0\t0\n1\t12\n2\t20\n3\t40\n4\t56\n5\t88\n6\t104\n"


@pytest.fixture
def written(tmp_path):
    paths = tmp_path / "x.idx", tmp_path / "x.rec"
    with recordio.MXIndexedRecordIO(*map(str, paths), "w") as file:
        for key, content in enumerate(CONTENTS):
            file.write_idx(key, content)
    return paths


def test_writes_mxnets_bytes(written):
    index, records = written
    assert records.read_bytes().hex() == RECORDED
    assert index.read_text() == INDEX


def test_reads_in_order_and_by_key(written):
    index, records = written
    file = recordio.MXRecordIO(str(records), "r")
    assert [file.read() for _ in CONTENTS] == CONTENTS
    assert file.read() is None
    file.reset()
    assert file.read() == CONTENTS[0]
    keyed = recordio.MXIndexedRecordIO(str(index), str(records), "r")
    assert keyed.keys == list(range(len(CONTENTS)))
    assert [keyed.read_idx(k) for k in reversed(keyed.keys)] == CONTENTS[::-1]
    copy = pickle.loads(pickle.dumps(keyed))
    assert copy.read_idx(4) == CONTENTS[4]
    dataset = mx.gluon.data.RecordFileDataset(str(records))
    assert [dataset[i] for i in range(len(dataset))] == CONTENTS


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ((0, 4, 2574, 0), "00000000000080400e0a00000000000000000000000000007a7a"),
        (
            (7, [1, 2, 3], 2574, 5),
            "03000000000000000e0a00000000000005000000000000000000803f00000040000040407a7a",
        ),
    ],
)
def test_packs_mxnets_bytes(header, expected):
    packed = recordio.pack(recordio.IRHeader(*header), b"zz")
    assert packed.hex() == expected
    found, rest = recordio.unpack(packed)
    np.testing.assert_array_equal(found.label, header[1])
    assert (found.id, rest) == (header[2], b"zz")


def test_misuse_says_what_to_do(written, tmp_path):
    index, records = map(str, written)
    with pytest.raises(ValueError, match="'r' or 'w'"):
        recordio.MXRecordIO(records, "a")
    with pytest.raises(ValueError, match="open it with 'w'"):
        recordio.MXRecordIO(records, "r").write(b"")
    with pytest.raises(KeyError, match="no record 99"):
        recordio.MXIndexedRecordIO(index, records, "r").read_idx(99)
    with pytest.raises(FileNotFoundError):
        recordio.MXRecordIO(str(tmp_path / "none"), "r")
    closed = recordio.MXRecordIO(records, "r")
    closed.close()
    with pytest.raises(SymgluonError, match="is closed"):
        closed.read()
    with pytest.raises(FormatError, match="no header"):
        recordio.unpack(b"short")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda b: b[:10], "truncated"),
        (lambda b: b"x" + b, "no record here"),
        (lambda b: WORD + struct.pack("<I", 2 << 29), "part 2"),
        (lambda b: WORD + struct.pack("<I", 1 << 29), "split into parts"),
        (lambda b: b[:6], "no record here"),
    ],
)
def test_damage_is_told(written, damage, message):
    path = written[1]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(FormatError, match=message):
        recordio.MXRecordIO(str(path), "r").read()


def test_images_survive_png(tmp_path):
    pytest.importorskip("PIL")
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    for image in (pixels, pixels[..., 0]):
        packed = recordio.pack_img((0, 1.0, 0, 0), image, quality=5, img_fmt=".png")
        header, back = recordio.unpack_img(packed)
        assert header.label == 1.0
        np.testing.assert_array_equal(back, image)
    grey = recordio.unpack_img(recordio.pack_img((0, 1, 0, 0), pixels, 5, ".png"), iscolor=0)[1]
    assert grey.shape == (2, 4)
    jpeg = recordio.unpack_img(recordio.pack_img((0, 1, 0, 0), np.full((8, 8, 3), 99, "u1")))[1]
    assert abs(jpeg.astype(int) - 99).max() <= 3
    with pytest.raises(ValueError, match="img_fmt"):
        recordio.pack_img((0, 1, 0, 0), pixels, img_fmt=".bmp")
