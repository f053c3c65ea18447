"""Files are there whole or not at all."""

import os

import pytest

from xent.core.errors import DataError
from xent.fit import files


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    files.write(path, "old")

    def fails(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(DataError) as error:
        files.write(path, "new")

    assert str(error.value) == f"{path} cannot be written: No space left on device."
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_text_is_utf8_and_bytes_are_bytes(tmp_path):
    files.write(tmp_path / "a", "é—漢")
    files.write(tmp_path / "b", b"\xff")

    assert (tmp_path / "a").read_bytes() == "é—漢".encode()
    assert (tmp_path / "b").read_bytes() == b"\xff"


def test_a_folder_that_is_none_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file/a\.json cannot be written: Not a directory\.$"):
        files.write(tmp_path / "file" / "a.json", "x")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no/a\.json cannot be written: No such file or directory\.$"):
        files.write(tmp_path / "no" / "a.json", "x")


def test_json_comes_back_and_has_no_nan(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"x": 0.1, "y": ["é"]})

    assert files.read_json(path) == {"x": 0.1, "y": ["é"]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(path, {"x": float("nan")})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x", "{path} is damaged: not JSON (Expecting value: line 1 column 1 (char 0))."),
        (b"[1]", "{path} is damaged: a JSON object was expected, not list."),
    ],
)
def test_a_file_that_is_no_json_object_is_damaged(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        files.read_json(path)

    assert str(error.value) == message.format(path=path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b'{"a": 1} x'])
def test_bytes_that_are_no_json_are_damaged(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged: not JSON"):
        files.read_json(path)
