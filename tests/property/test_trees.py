"""500 random trees of layers: eager, hybridized, saved, exported, imported, all alike.

``SYMGLUON_TREES=200`` runs so many trees a part (10 of them), ``SYMGLUON_TREES_SEED=1`` others.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from random_trees import cases
from tree_checks import check

COUNT = int(os.environ.get("SYMGLUON_TREES", "50"))
SEED = int(os.environ.get("SYMGLUON_TREES_SEED", "0"))

#: (number of spatial axes, or -1 for token indices; which seed)
PARTS = [(-1, 0), (0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (3, 0), (3, 1)]


@pytest.mark.slow
@pytest.mark.parametrize(("rank", "part"), PARTS)
def test_every_way_gives_the_same(rank, part):
    @seed(SEED * 100 + part)
    @settings(
        max_examples=COUNT,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        phases=(Phase.generate, Phase.shrink),
    )
    @given(cases(rank))
    def trees(case):
        assume(check(case))

    trees()
