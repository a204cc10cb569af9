"""`make kernels` tells a number that the kernel decides from one that it does not."""

import sys

import nbformat
import pytest
from _tools.check import kernels


@pytest.fixture
def repository(tmp_path):
    """A book of two notebooks: the second prints the kernel's name, stored under Haswell."""
    (tmp_path / "book").mkdir()
    for name, source in (("same", "print(1)"), ("other", "import os\nprint(os.environ['OPENBLAS_CORETYPE'])")):
        text = "1\n" if name == "same" else "Haswell\n"
        output = nbformat.v4.new_output("stream", name="stdout", text=text)
        cell = nbformat.v4.new_code_cell(source, execution_count=1, outputs=[output])
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / f"book/{name}.ipynb")
    return tmp_path


@pytest.mark.parametrize(
    ("chapter", "kernel", "word"),
    [
        ("same", "Nehalem", "ok"),
        ("other", "Haswell", "ok"),
        ("other", "Nehalem", "1 differ"),
        ("gone", "Haswell", "error"),
    ],
)
def test_notebook_is_compared_under_the_kernel_that_was_asked_for(chapter, kernel, word, repository, monkeypatch):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env"]
    monkeypatch.setattr(kernels, "COMMAND", command)
    assert kernels.compare(repository, repository / f"book/{chapter}.ipynb", kernel)[0] == word


def test_kernels_of_this_machine_are_those_of_its_flags():
    assert set(kernels.available()) <= set(kernels.KERNELS)
    assert "SkylakeX" not in kernels.available() or "Haswell" in kernels.available()
