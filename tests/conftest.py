"""Fixtures that more than one folder of tests uses: the browser."""

import pytest

from tests.browser import browser, find_browser  # noqa: F401 -- a fixture is used by its name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test that uses the browser the marker of that name, so that a lane can pick or leave them."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
