"""Files: what is read, and the one message for what is not."""

import io
import struct
import zipfile

import numpy as np
import polars as pl
import pytest

from xent.core.errors import DataError
from xent.train import source
from xent.train.csv_file import read_csv
from xent.train.source import read_table


def csv_of(text: str) -> pl.DataFrame:
    return read_csv(text.encode(), "f.csv")[0]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,2\n", [("1", "2")]),
        ("a,b\r\n1,2\r\n3,4", [("1", "2"), ("3", "4")]),
        ("\ufeffa,b\n1,2\n", [("1", "2")]),
        ("\n\na,b\n1,2\n", [("1", "2")]),
        ("a,b\n1,2\n\n3,4\n\n", [("1", "2"), ("3", "4")]),
        ("a;b\n1;2\n", [("1", "2")]),
        ("a\tb\n1\t2\n", [("1", "2")]),
        ("a|b\n1|2\n", [("1", "2")]),
        ('a,b\n"x, y","two\nlines"\n', [("x, y", "two\nlines")]),
        ('a,b\n"say ""hi""",2\n', [('say "hi"', "2")]),
        ("a,b\n1,\n,2\n", [("1", None), (None, "2")]),
        ("a, b \n1,2\n", [("1", "2")]),
        ("a,b\n漢,é\n", [("漢", "é")]),
    ],
)
def test_tables_of_every_usual_form_are_read(text, rows):
    frame = csv_of(text)

    assert frame.columns == ["a", "b"]
    assert frame.rows() == rows


def test_a_column_without_a_name_gets_one():
    assert csv_of(",b\n1,2\n").columns == ["column_1", "b"]


def test_decimal_commas_are_understood_beside_semicolons_only():
    frame, notes = read_csv(b"a;b;c\n1,5;x;1\n-2,25;1,5y;2\n", "f.csv")

    assert frame.rows() == [("1.5", "x", "1"), ("-2.25", "1,5y", "2")]
    assert notes == ("decimal commas are read as points in a",)
    assert csv_of('a,b\n"1,5",2\n').rows() == [("1,5", "2")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n3\n", "f.csv: line 3 has 1 cells, the header has 2."),
        (b"a,b\n1,2\n3,4,5\n", "f.csv: line 3 has 3 cells, the header has 2."),
        (b'a,b\n"x\ny",2\n3\n', "f.csv: line 4 has 1 cells, the header has 2."),
        (b'a,b\n1,"never closed\n3,4\n', "f.csv: line 3 is damaged: unexpected end of data."),
        (b"a,a\n1,2\n", "f.csv has more than one column called a: give each its own name."),
        (b"a,b\n", "f.csv has a header and no rows."),
        (b"\n\n\n", "f.csv is empty: it has no header."),
        (b"a,b\n1,\xff\n", "f.csv: line 2 is not UTF-8 (byte 0xff): save the file as UTF-8."),
        (b"a\xff,b\n1,2\n", "f.csv: line 1 is not UTF-8 (byte 0xff): save the file as UTF-8."),
        ("a,b\n1,2\n".encode("utf-16"), "f.csv is UTF-16: save it as UTF-8."),
        (b"a,b\n1,2\x00\n", "f.csv is no text: it holds zero bytes."),
        (
            b"5.1,3.5,0.2,setosa\n4.9,3.0,0.2,setosa\n",
            (
                "f.csv starts with numbers where the names of the columns are expected: 5.1,3.5,0.2,setosa\n"
                "  Put a line with names first."
            ),
        ),
    ],
)
def test_a_damaged_table_is_one_message_with_the_line(content, message):
    with pytest.raises(DataError) as error:
        read_csv(content, "f.csv")

    assert str(error.value) == message


def test_a_file_cut_anywhere_is_read_or_refused_with_a_message():
    whole = "name,size,class\n" + "".join(f'"v{i}, x",{i / 7},{i % 2}\n' for i in range(30))
    content = whole.encode()
    read = 0
    for size in range(1, len(content)):
        try:
            read += read_csv(content[:size], "f.csv")[0].height > 0
        except DataError as error:
            assert str(error).startswith("f.csv")  # noqa: PT017  # other outcomes are fine too
    assert read > 0


# ------------------------------------------------------------------------------------------------------------- npz


def npz_of(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def table_of(tmp_path, content: bytes, name: str = "f.npz"):
    (tmp_path / name).write_bytes(content)
    return read_table(str(tmp_path / name))


X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 0, 1])


@pytest.mark.parametrize("names", [("X", "y"), ("data", "target"), ("features", "labels"), ("images", "label")])
def test_arrays_of_the_usual_names_are_a_table(tmp_path, names):
    table = table_of(tmp_path, npz_of(**dict(zip(names, (X, Y), strict=True))))

    assert table.target == names[1].lower()
    np.testing.assert_array_equal(table.frame.drop(table.target).to_numpy(), X)
    np.testing.assert_array_equal(table.frame[table.target].to_numpy(), Y)


def test_words_columns_and_pictures_are_taken(tmp_path):
    table = table_of(tmp_path, npz_of(images=np.zeros((6, 3, 4), np.uint8), labels=np.array([["a"], ["b"]] * 3)))

    assert table.picture == (3, 4)
    assert table.frame.shape == (6, 13)
    assert table.frame["labels"].to_list() == ["a", "b"] * 3


def test_a_file_may_bring_its_own_test_rows(tmp_path):
    table = table_of(tmp_path, npz_of(x_train=X, y_train=Y, x_test=X[:2] + 100, y_test=Y[:2]))

    assert table.test_from == 6
    assert table.frame["x0"].to_list() == [0, 2, 4, 6, 8, 10, 100, 102]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"Z": X},
            (
                "f.npz holds z: expected an array of features (X, data, features or images) "
                "and one of classes (y, target or labels)."
            ),
        ),
        (
            {"X": X, "y": Y[:5]},
            "f.npz: y has shape (5,), dtype int64; expected (6,), one class a row: integers or words.",
        ),
        (
            {"X": X, "y": Y + 0j},
            "f.npz: y has shape (6,), dtype complex128; expected (6,), one class a row: integers or words.",
        ),
        (
            {"X": X + 0j, "y": Y},
            (
                "f.npz: features have shape (6, 2), dtype complex128; "
                "numbers of shape (N, F) or (N, rows, columns) are expected."
            ),
        ),
        (
            {"X": X[:, 0], "y": Y},
            (
                "f.npz: features have shape (6,), dtype float64; "
                "numbers of shape (N, F) or (N, rows, columns) are expected."
            ),
        ),
        (
            {"X": X[:0], "y": Y[:0]},
            (
                "f.npz: features have shape (0, 2), dtype float64; "
                "numbers of shape (N, F) or (N, rows, columns) are expected."
            ),
        ),
        ({"X": np.array([[object()]]), "y": Y}, "f.npz: X holds Python objects: only numbers and text are read."),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:, :1], "y_test": Y},
            "f.npz: x_train has rows of shape (2,), x_test of (1,).",
        ),
    ],
)
def test_arrays_that_are_no_table_are_refused(tmp_path, arrays, message):
    with pytest.raises(DataError) as error:
        table_of(tmp_path, npz_of(**arrays))

    assert str(error.value) == message


def test_a_header_that_promises_too_much_is_refused_before_anything_is_unpacked(tmp_path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (100000, 100000), }"
    header += b" " * (64 - (len(header) + 11) % 64) + b"\n"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("X.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    with pytest.raises(DataError) as error:
        table_of(tmp_path, file.getvalue())

    assert str(error.value) == "f.npz: X has 80,000,000,000 bytes: at most 2,147,483,648 are read."


def test_damaged_archives_are_refused(tmp_path):
    whole = npz_of(X=X, y=Y)
    for content in (b"PK\x03\x04", b"not a zip at all", whole[: len(whole) // 2], whole[:-3]):
        with pytest.raises(DataError, match=r"^f\.npz "):
            table_of(tmp_path, content)
    rng = np.random.default_rng(0)
    for _ in range(100):
        changed = bytearray(whole)
        changed[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        try:
            table_of(tmp_path, bytes(changed))
        except DataError as error:
            assert str(error).startswith("f.npz")  # noqa: PT017  # other outcomes are fine too


# ---------------------------------------------------------------------------------------------------- parquet, names


def test_a_parquet_file_keeps_its_types(tmp_path):
    frame = pl.DataFrame({"a": [1, None], "b": ["x", "y"]})
    frame.write_parquet(tmp_path / "f.parquet")

    assert read_table(str(tmp_path / "f.parquet")).frame.equals(frame)


def test_a_damaged_parquet_file_is_refused(tmp_path):
    pl.DataFrame({"a": list(range(1000))}).write_parquet(tmp_path / "f.parquet")
    whole = (tmp_path / "f.parquet").read_bytes()
    for content in (b"PAR1", whole[:-5], whole[: len(whole) // 2], b"x" * 500):
        (tmp_path / "f.parquet").write_bytes(content)
        with pytest.raises(DataError, match=r"^f\.parquet is no \.parquet file that can be read: "):
            read_table(str(tmp_path / "f.parquet"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.csv", None, "there is no file {path}."),
        (
            "digit",
            None,
            "there is no file {path}. It is no built-in set either: digits, iris, wine, breast_cancer, text.",
        ),
        ("f.xlsx", b"x", "{path} ends in .xlsx: it must be a file that ends in .csv, .parquet, .npz."),
        ("f", b"x", "{path} ends in nothing: it must be a file that ends in .csv, .parquet, .npz."),
        ("f.csv", b"", "{path} is empty: 0 bytes."),
    ],
)
def test_what_is_no_file_of_a_table_is_refused(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_table(str(path))

    assert str(error.value) == message.format(path=path)


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(DataError, match=r"d\.csv is no file: give one that ends in \.csv, \.parquet, \.npz\.$"):
        read_table(str(tmp_path / "d.csv"))


def test_a_file_that_is_too_large_is_refused_by_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MOST_BYTES", 10)
    (tmp_path / "f.csv").write_bytes(b"a,b\n" + b"1,2\n" * 9)
    with pytest.raises(DataError, match=r"f\.csv has 40 bytes: at most 10 are read\. Give a part of it\.$"):
        read_table(str(tmp_path / "f.csv"))


@pytest.mark.parametrize(
    ("name", "shape"), [("digits", (1797, 65)), ("iris", (150, 5)), ("wine", (178, 14)), ("breast_cancer", (569, 31))]
)
def test_built_in_sets_are_there(name, shape):
    table = read_table(name)

    assert (table.frame.shape, table.target) == (shape, "class")
    assert read_table(name).fingerprint == table.fingerprint
