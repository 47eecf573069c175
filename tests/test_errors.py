from __future__ import annotations

import warnings

import pytest

from pointillist.errors import ignoring


def test_blocks_may_overlap_and_filters_come_back_afterwards() -> None:
    """As those of two threads do, of which the first to begin is the first to end."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        first, second = ignoring(), ignoring()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        warnings.warn("'crs' was not provided. And so on.", UserWarning, stacklevel=1)
        with pytest.raises(UserWarning, match="other"):
            warnings.warn("other", UserWarning, stacklevel=1)
        second.__exit__(None, None, None)
        assert list(warnings.filters) == before
