"""The same call on a cluster of processes, one of which dies: results come from the batches in their order."""

import os
import signal

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from hierlib import HierarchicalSpectralRegressor, HierarchicalTarget
from hierlib.engine.moment import MomentOperator

distributed = pytest.importorskip("distributed")


class Lethal:
    """A data set that kills a process when batch `number` of a pass is read, once it is armed."""

    def __init__(self, batches, number):
        self.batches, self.number, self.victim, self.killed = batches, number, None, 0

    def __iter__(self):
        for j, batch in enumerate(self.batches):
            if self.victim is not None and j == self.number:
                os.kill(self.victim, signal.SIGKILL)
                self.victim, self.killed = None, self.killed + 1
            yield batch


@pytest.fixture(scope="module")
def client():
    options = {"processes": True, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "protocol": "tcp"}
    with distributed.LocalCluster(n_workers=2, **options) as cluster, distributed.Client(cluster) as client:
        yield client


def test_a_pass_on_a_cluster_has_the_bits_of_a_serial_one_when_a_worker_is_killed(client):
    X, y = HierarchicalTarget(10, n_features=2).sample(10_000, 1)
    data = Lethal([(X[a : a + 500], y[a : a + 500]) for a in range(0, len(X), 500)], number=8)
    V = np.random.default_rng(0).standard_normal((55, 3))
    operator = MomentOperator(data, n_jobs=1)
    serial = operator @ V
    operator.n_jobs = -1
    data.victim = next(iter(client.run(os.getpid).values()))
    with joblib.parallel_config("dask"):
        assert_array_equal(operator @ V, serial)
    assert data.killed == 1


def test_a_fit_on_a_cluster_is_the_serial_fit(client):
    stream = HierarchicalTarget(10, n_features=2).stream(20_000, 1)
    serial = HierarchicalSpectralRegressor(2, max_passes=2, n_jobs=1).fit_stream(stream)
    with joblib.parallel_config("dask"):
        spread = HierarchicalSpectralRegressor(2, max_passes=2).fit_stream(stream)
    assert_array_equal(spread.components_, serial.components_)
    assert_array_equal(spread.second_layer_, serial.second_layer_)
