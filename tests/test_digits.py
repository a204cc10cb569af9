"""Tests of the stored digits: they are what the note beside them says, and a class looks like itself."""

import hashlib
import io
import json
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from _tools.stored import digits as conversion

from hierlib.learn.real import digits
from hierlib.learn.real.digits import load_digits_10k

DATA = Path(__file__).parents[1] / "book/data"


@pytest.fixture(scope="module")
def data():
    return load_digits_10k()


def test_file_has_the_checksum_and_the_licence_of_its_note():
    note = (DATA / "digits.txt").read_text()
    checksum = re.search(r"SHA-256 of digits.npz: (\w+)", note)[1]
    assert hashlib.sha256((DATA / "digits.npz").read_bytes()).hexdigest() == checksum
    assert "MIT License" in note
    assert "Copyright (c) 2015 Juan Cazala" in note
    assert (DATA / "digits.npz").stat().st_size < 2**21


def test_pixels_are_bytes_between_paper_and_ink_and_no_digit_comes_twice(data):
    X, y = data
    assert X.shape == (10_000, 784)
    assert y.shape == (10_000,)
    assert (X.min(), X.max()) == (0, 1)
    assert np.abs(255 * X - np.rint(255 * X)).max() < 1e-9
    assert len({row.tobytes() for row in X}) == 10_000
    assert sorted(set(y.tolist())) == list(range(10))


def test_first_digits_are_a_fair_sample(data):
    _, y = data
    share = np.bincount(y) / 10_000
    found = np.bincount(y[:1000], minlength=10) / 1000
    assert np.all(np.abs(found - share) < 5 * np.sqrt(share * (1 - share) / 1000))


def test_digits_are_nearest_to_the_mean_of_their_own_class(data):
    X, y = data
    means = np.stack([X[:5000][y[:5000] == c].mean(axis=0) for c in range(10)])
    distances = np.sum(means**2, axis=1) - 2 * X[5000:] @ means.T
    # Published accuracy of the nearest mean on MNIST: 82 %.
    assert np.mean(np.argmin(distances, axis=1) == y[5000:]) == pytest.approx(0.82, abs=0.02)


def test_package_without_its_repository_says_where_the_digits_are(monkeypatch, tmp_path):
    monkeypatch.setattr(digits, "_FILE", tmp_path / "book/data/digits.npz")
    with pytest.raises(
        FileNotFoundError, match=r"no file .*digits\.npz: .* Clone https://\S+ and install .*--editable"
    ):
        load_digits_10k()


def test_conversion_gives_rounded_pixels_back_in_an_order_of_their_own(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, size=(30, 28, 28), dtype=np.uint8)
    package = packed({label: np.round(images[3 * label : 3 * label + 3] / 255, 3) for label in range(10)})
    monkeypatch.setattr(conversion, "PACKAGE", hashlib.sha256(package).hexdigest())
    file, note = conversion.convert(package)
    with np.load(io.BytesIO(file)) as arrays:
        found, labels = arrays["images"], arrays["labels"]
    checksums = [hashlib.sha256(image.tobytes()).hexdigest() for image in found]
    assert checksums == sorted(checksums)
    original = {image.tobytes(): i // 3 for i, image in enumerate(images)}
    assert [original[image.tobytes()] for image in found] == labels.tolist()
    assert note.endswith("a licence")
    assert file == conversion.convert(package)[0]


def test_conversion_refuses_another_package_and_pixels_that_are_no_bytes(monkeypatch):
    with pytest.raises(ValueError, match=r"package must be mnist 1\.1\.0 with SHA-256 \w+, got \w+"):
        conversion.convert(b"something else")
    package = packed({label: np.full((1, 28, 28), 0.5) for label in range(10)})
    monkeypatch.setattr(conversion, "PACKAGE", hashlib.sha256(package).hexdigest())
    with pytest.raises(ValueError, match="pixels of the digit 0 are not bytes"):
        conversion.convert(package)


def packed(images):
    file = io.BytesIO()
    contents = {f"src/digits/{k}.json": json.dumps({"data": v.ravel().tolist()}) for k, v in images.items()}
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, text in {"LICENSE": "a licence", **contents}.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return file.getvalue()
