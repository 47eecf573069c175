"""What fails in the contract of formats is explained like in a test file."""

import pytest

pytest.register_assert_rewrite("tests.points.format_contract")
