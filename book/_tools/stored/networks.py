"""Recompute book/data/networks.csv, the measurements of the chapter on real networks: a quarter of an hour on one core.

The convolutional network needs PyTorch (``pip install 'hierlib[gpu]'``); the chapter itself does not. Finished points
are kept in _build/networks: a killed run goes on where it stopped, and the table is written again after every block.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import version
from itertools import islice

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from _tools.stored import table
from hierlib import HierarchicalTarget
from hierlib.learn.directions import first_order_directions, second_order_directions
from hierlib.learn.networks import ReluNetwork, half_times, learning_curves, shuffled_batches
from hierlib.learn.real import load_digits_10k
from hierlib.learn.sweep import run
from hierlib.model.metrics import subspace_overlap

FIELDS = ["part", "case", "split", "seed", "group", "index", "strength", "value"]
SPLITS = list(range(5))
SEEDS = [0, 1]
D = 50  # whitened principal components
HALF = 5000  # samples of either half
N_SECOND = 8  # second-order directions of a class
N_FIRST = 9  # first-order directions of ten classes
WIDTH = 128
BATCH = 64
RIDGES = np.logspace(-2, 4, 13)
LAYER_SIZES = (500, 2500)
METHODS = ("means", "spectral", "components")
ORDERS = {
    "target, gaussian": (0.1, 0.02, 5000),
    "target, digits": (0.1, 0.02, 5000),
    "teacher, digits": (0.1, 0.02, 3000),
    "teacher, independent": (0.1, 0.02, 10000),
    "labels": (0.1, 0.05, 5000),
    "labels, larger start": (0.3, 0.05, 5000),
    "labels, flipped": (0.1, 0.05, 5000),
}  # scale of the first weights, step, number of steps
NETWORKS = ("units on components", "units on pixels", "convolutions on pixels")
UNIT_INPUTS = ("gaussian", "independent", "digits")


@cache
def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Whitened components, centred pixels, centred one-hot labels, and the pixels of one unit of each component."""
    pixels, labels = load_digits_10k()
    centred = pixels - pixels.mean(axis=0)
    variances, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    variances, vectors = variances[::-1][:D], vectors[:, ::-1][:, :D]
    one_hot = np.eye(10)[labels]
    return centred @ vectors / np.sqrt(variances), centred, one_hot - one_hot.mean(axis=0), np.sqrt(variances) * vectors


def halves(split: int) -> tuple[np.ndarray, np.ndarray]:
    """Split the indices: a half that directions come from, where everything is measured, and a half that trains."""
    order = np.random.default_rng(split).permutation(2 * HALF)
    return order[:HALF], order[HALF:]


def centred_mean(outputs: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Covariance of one output with each column."""
    return (outputs - outputs.mean()) @ values / len(values)


def order_point(*, case: str, split: int, seed: int) -> dict[str, np.ndarray | float]:
    """Strengths and half-learning times (steps times their size) of what a case says."""
    rng = np.random.default_rng([split, seed])
    Z, _, Y, _ = digits()
    there, train = halves(split)
    kind = case.split(",")[0]
    if kind == "labels":
        return labels_order(Z[there], Z[train], Y[there], Y[train], case, rng)
    if kind == "teacher":
        parts = [teacher_order(Z[there], Z[train], Y[there][:, c], case, rng) for c in range(10)]
        return {
            "strength": np.concatenate([part[0] for part in parts]),
            "time": np.concatenate([part[1] for part in parts]),
            "dependence": float(np.mean([part[2] for part in parts])),
        }
    target = HierarchicalTarget(D, 1, n_features=6, gamma=0.6, seed=100 * split + seed)
    if case.endswith("gaussian"):
        inputs = rng.standard_normal((HALF, D))

        def fresh() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            while True:
                X = rng.standard_normal((BATCH, D))
                yield X, target.label(X)[:, None]

        batches: Iterator = fresh()
    else:
        inputs = Z[there]
        batches = shuffled_batches(Z[train], target.label(Z[train])[:, None], BATCH, rng=rng)
    squares = target.latent(inputs) ** 2 - 1
    strengths, times = one_output_order(inputs, squares, target.label(inputs), batches, case, rng)
    return {"strength": strengths, "time": times, "dependence": dependence(squares)}


def dependence(squares: np.ndarray) -> float:
    """Mean modulus of the correlation of two squared features."""
    return float(np.abs(np.corrcoef(squares.T)[np.triu_indices(squares.shape[1], 1)]).mean())


def one_output_order(
    inputs: np.ndarray, squares: np.ndarray, y: np.ndarray, batches: Iterator, case: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Strengths of squared features, and when a network of one output has learned half of each."""
    strengths = centred_mean(y, squares)
    return strengths, train_and_time(
        (D, WIDTH, 1),
        batches,
        lambda network: centred_mean(network.predict(inputs)[:, 0], squares) / strengths,
        case,
        rng,
    )


def train_and_time(
    widths: tuple[int, ...], batches: Iterator, measure: Callable, case: str, rng: np.random.Generator
) -> np.ndarray:
    """Train as the case says; half-learning times of what is measured."""
    scale, step, steps = ORDERS[case]
    counts = np.unique(np.geomspace(10, steps, 150).astype(int))
    curves = learning_curves(ReluNetwork(widths, scale=scale, rng=rng), batches, measure, counts=counts, step=step)
    return half_times(step * counts, curves)


def teacher_order(
    there: np.ndarray, train: np.ndarray, y: np.ndarray, case: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, float]:
    """Order for a quadratic teacher along a class's own second-order directions, with its strengths as weights."""
    values, _ = second_order_directions(there, y, N_SECOND)
    # All coordinates in the basis of the moment matrix, so that each can be permuted for itself.
    _, basis = second_order_directions(there, y, D)
    samples = [there @ basis.T, train @ basis.T]
    if case.endswith("independent"):
        samples = [rng.permuted(sample, axis=0) for sample in samples]
    labels = [(sample[:, :N_SECOND] ** 2 - 1) @ values for sample in samples]
    unit = labels[0].std()
    squares = samples[0][:, :N_SECOND] ** 2 - 1
    batches = shuffled_batches(samples[1], ((labels[1] - labels[1].mean()) / unit)[:, None], BATCH, rng=rng)
    return *one_output_order(samples[0], squares, labels[0] / unit, batches, case, rng), dependence(squares)


def labels_order(
    there: np.ndarray, train: np.ndarray, y_there: np.ndarray, y_train: np.ndarray, case: str, rng: np.random.Generator
) -> dict[str, np.ndarray | float]:
    """Order for the ten classes: first-order modes, then the second-order features of each class."""
    singular, outputs, directions = first_order_directions(there, y_there)
    modes = there @ directions.T
    pairs = [second_order_directions(there, y, N_SECOND) for y in y_there.T]
    squares = [(there @ rows.T) ** 2 - 1 for _, rows in pairs]
    flipped = case.endswith("flipped")
    # Signs of the inputs leave every second moment as it is and no first one.
    signs = rng.choice([-1.0, 1.0], size=(len(train), 1)) if flipped else 1.0

    def measure(network: ReluNetwork) -> np.ndarray:
        found = network.predict(there)
        if flipped:
            found = (found + network.predict(-there)) / 2
        found = found - found.mean(axis=0)
        first = np.einsum("nk,nk->k", modes, found @ outputs.T) / len(there) / singular
        second = [
            centred_mean(column, h) / theta for column, h, (theta, _) in zip(found.T, squares, pairs, strict=True)
        ]
        return np.concatenate([first, *second])

    batches = shuffled_batches(signs * train, y_train, BATCH, rng=rng)
    times = train_and_time((D, WIDTH, 10), batches, measure, case, rng)
    return {
        "strength": np.concatenate([singular, *(theta for theta, _ in pairs)]),
        "time": times,
        "dependence": float(np.mean([dependence(h) for h in squares])),
    }


def directions_point(*, network: str, split: int, seed: int) -> dict[str, float]:
    """Measure how much of a trained network's gradients lies along first- and second-order directions."""
    rng = np.random.default_rng([split, seed])
    Z, pixels, Y, loadings = digits()
    there, train = halves(split)
    inputs = Z if network.endswith("components") else pixels
    if network.startswith("units"):
        trained = train_units((inputs.shape[1], WIDTH, 10), inputs[train], Y[train], rng, scale=0.3)
        outputs = trained.predict(inputs[there])
        gradients = trained.gradient_outer_product(inputs[there])
    else:
        outputs, gradients = train_convolutions(inputs[train], Y[train], inputs[there], seed=100 * split + seed)
    if network.endswith("pixels"):
        gradients = loadings.T @ gradients @ loadings
    _, _, first = first_order_directions(Z[there], Y[there])
    _, second = second_order_directions(Z[there], Y[there], N_FIRST)
    # Second-order directions of what first-order ones leave.
    complement = np.linalg.svd(first)[2][N_FIRST:]
    _, beyond = second_order_directions(Z[there] @ complement.T, Y[there], N_FIRST)
    leading = np.linalg.eigh(gradients)[1][:, ::-1][:, :N_FIRST].T
    spaces = {"first": first, "second": second, "beyond": beyond @ complement}
    shares = {
        f"share {name}": np.trace(rows @ gradients @ rows.T) / np.trace(gradients) for name, rows in spaces.items()
    }
    overlaps = {f"overlap {name}": subspace_overlap(leading, rows) for name, rows in spaces.items()}
    wrong = outputs.argmax(axis=1) != Y[there].argmax(axis=1)
    return {"error": wrong.mean(), **shares, **overlaps, "first and second": subspace_overlap(second, first)}


def train_units(
    widths: tuple[int, ...], X: np.ndarray, Y: np.ndarray, rng: np.random.Generator, *, scale: float
) -> ReluNetwork:
    """Train a fully connected network for sixty epochs."""
    network = ReluNetwork(widths, scale=scale, rng=rng)
    for batch in islice(shuffled_batches(X, Y, BATCH, rng=rng), 60 * len(X) // BATCH):
        network.descend(*batch, 0.05)
    return network


def train_convolutions(X: np.ndarray, Y: np.ndarray, X_there: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Train two convolutions and a linear layer; outputs and the average outer product of their gradients."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * 49, 10),
    )  # fmt: skip
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    images, classes = torch.tensor(X, dtype=torch.float32).reshape(-1, 1, 28, 28), torch.tensor(Y.argmax(axis=1))
    for _ in range(8):
        for chosen in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images[chosen]), classes[chosen]).backward()
            optimizer.step()
    total = np.zeros((X.shape[1], X.shape[1]))
    outputs = []
    for batch in torch.tensor(X_there, dtype=torch.float32).reshape(-1, 1, 28, 28).split(500):
        batch.requires_grad_(True)
        # A number added to all ten outputs changes no class.
        found = network(batch)
        found = found - found.mean(dim=1, keepdim=True)
        outputs.append(found.detach().numpy())
        for c in range(10):
            (gradient,) = torch.autograd.grad(found[:, c].sum(), batch, retain_graph=True)
            rows = gradient.reshape(len(batch), -1).numpy().astype(float)
            total += rows.T @ rows
    return np.concatenate(outputs), total / len(X_there)


def layers_point(*, split: int, seed: int) -> dict[str, np.ndarray]:
    """Test errors on nine directions of each layer of a trained network, and how many features a layer shows."""
    rng = np.random.default_rng([split, seed])
    _, pixels, Y, _ = digits()
    there, train = halves(split)
    network = train_units((pixels.shape[1], WIDTH, WIDTH, WIDTH, 10), pixels[train], Y[train], rng, scale=np.sqrt(2))
    y = Y[there]
    fit, test = slice(None, HALF // 2), slice(HALF // 2, None)
    found: dict[str, list] = {f"{method} {n}": [] for n in LAYER_SIZES for method in METHODS} | {"features shown": []}
    for values in [pixels[there], *network.activations(pixels[there])]:
        centred = values - values[fit].mean(axis=0)
        _, scales, vectors = np.linalg.svd(centred[fit], full_matrices=False)
        inputs = centred @ vectors[:D].T / (scales[:D] / np.sqrt(HALF // 2))
        found["features shown"].append(features_shown(inputs[fit], y[fit], rng))
        for n in LAYER_SIZES:
            rows = {
                "means": first_order_directions(inputs[:n], y[:n])[2],
                "spectral": second_order_directions(inputs[:n], y[:n], N_FIRST)[1],
                "components": np.eye(N_FIRST, D),
            }
            for method in METHODS:
                features = inputs @ rows[method].T
                head = make_pipeline(PolynomialFeatures(2, include_bias=False), StandardScaler(), RidgeCV(RIDGES))
                outputs = head.fit(features[:n], y[:n]).predict(features[test])
                found[f"{method} {n}"].append(np.mean(outputs.argmax(axis=1) != y[test].argmax(axis=1)))
    return {name: np.array(values) for name, values in found.items()}


def features_shown(X: np.ndarray, Y: np.ndarray, rng: np.random.Generator) -> float:
    """Mean over classes of the eigenvalues beyond the largest modulus among five permutations of the labels."""
    found = []
    for y in Y.T:
        edge = max(abs(second_order_directions(X, rng.permutation(y), 1)[0][0]) for _ in range(5))
        found.append(np.count_nonzero(np.abs(second_order_directions(X, y, D)[0]) > edge))
    return float(np.mean(found))


def unit_point(*, inputs: str, split: int, seed: int) -> dict[str, float]:
    """Mean squared cosine of a hidden unit's weights and the leading eigenvector with the unit as label."""
    rng = np.random.default_rng([split, seed])
    Z, _, Y, _ = digits()
    there, train = halves(split)
    network = train_units((D, WIDTH, 10), Z[train], Y[train], rng, scale=0.3)
    samples = {"gaussian": rng.standard_normal((HALF, D)), "independent": rng.permuted(Z[there], axis=0)}
    X = samples.get(inputs, Z[there])
    units = network.activations(X)[0]
    active = np.mean(units > 0, axis=0)
    found = []
    for k in np.flatnonzero((active > 0.05) & (active < 0.95)):
        weights = network.weights[0][:, k]
        direction = second_order_directions(X, units[:, k], 1)[1][0]
        found.append((direction @ weights) ** 2 / (weights @ weights))
    return {"alignment": float(np.mean(found)), "count": float(len(found))}


def order_rows(case: str, split: int, seed: int, found) -> list[list]:
    """Rows of one trained network: group -1 for first order, 0 to 9 for the second order of a class."""
    length = 6 if case.startswith("target") else 10 * N_SECOND + N_FIRST * case.startswith("labels")
    offset = N_FIRST if case.startswith("labels") else 0
    rows = []
    for k, (strength, time) in enumerate(
        zip(found["strength"].values[:length], found["time"].values[:length], strict=True)
    ):
        group, index = (-1, k) if k < offset else divmod(k - offset, N_SECOND)
        if group < 0 and case.endswith("flipped"):
            continue
        rows.append(["order", case, split, seed, group, index + 1, f"{strength:.4f}", f"{time:.4g}"])
    return [*rows, ["dependence", case, split, seed, "", "", "", f"{float(found['dependence']):.4f}"]]


def states() -> Iterator[tuple[list[list], list[str]]]:
    """Compute what is missing, block after block."""
    notes = [
        f"convolutions: PyTorch {version('torch')}",
        f"halves of the 10 000 digits: splits {SPLITS}; networks: seeds {SEEDS}; {D} whitened principal components",
        "order: strength and half-learning time; group: class, or -1 for first-order modes; an infinite time: never",
        "dependence: mean modulus of the correlation of two squared features",
        "directions: index is the quantity; layers: group n, index layer (0: pixels); unit: mean squared cosine",
    ]
    rows: list[list] = []
    kept = table.ROOT / "_build" / "networks"
    for case in ORDERS:
        result = run(
            order_point, {"case": [case], "split": SPLITS}, seeds=SEEDS, directory=kept / case.replace(", ", "-")
        )
        for split in SPLITS:
            for seed in SEEDS:
                rows += order_rows(case, split, seed, result.sel(case=case, split=split, seed=seed))
        yield rows, notes
    for name in NETWORKS:
        result = run(directions_point, {"network": [name], "split": SPLITS}, seeds=SEEDS, directory=kept / name)
        for split in SPLITS:
            for seed in SEEDS:
                found = result.sel(network=name, split=split, seed=seed)
                rows += [
                    ["directions", name, split, seed, "", q, "", f"{float(found[q]):.4f}"] for q in found.data_vars
                ]
        yield rows, notes
    result = run(layers_point, {"split": SPLITS}, seeds=SEEDS, directory=kept / "layers")
    for split in SPLITS:
        for seed in SEEDS:
            found = result.sel(split=split, seed=seed)
            for name in found.data_vars:
                case, _, size = name.rpartition(" ") if name[-1].isdigit() else (name, "", HALF // 2)
                for layer, value in enumerate(found[name].values):
                    rows.append(["layers", case, split, seed, size, layer, "", f"{value:.4f}"])
    yield rows, notes
    result = run(unit_point, {"inputs": list(UNIT_INPUTS), "split": SPLITS}, seeds=SEEDS, directory=kept / "units")
    for name in UNIT_INPUTS:
        for split in SPLITS:
            for seed in SEEDS:
                found = result.sel(inputs=name, split=split, seed=seed)
                rows.append(
                    ["unit", name, split, seed, "", int(found["count"]), "", f"{float(found['alignment']):.4f}"]
                )
    yield rows, notes


if __name__ == "__main__":
    sys.exit(table.keep("networks", FIELDS, states))
