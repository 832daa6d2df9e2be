"""What all tests of losses run under."""

from collections.abc import Iterator

import pytest

from supremix.losses import compiled


@pytest.fixture(scope="module", autouse=True)
def small_batches_as_large_ones() -> Iterator[None]:
    """A few rows are computed as many are, in float32 first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "ROWS_OF_FLOAT32", 0)
        yield
