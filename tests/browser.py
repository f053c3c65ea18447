"""A headless Chromium for tests of pages: the one installed on the machine, driven by Playwright.

`--window-size` stops at 500 CSS pixels and crops, so a phone's width is emulated (`width=390`).

    def test_a_page(browser):
        with browser.open(path, width=390, dark=True, script=False) as page:
            assert page.fits()              # nothing sticks out on the right
            assert page.requests == []      # nothing but the file itself was asked for
            assert page.errors == []        # nothing on the console
            page.locator("h1").inner_text()     # everything else is Playwright's page
"""

import contextlib
import os
import shutil
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


def find_browser() -> str | None:
    """Path of a Chromium, or None; `XENT_TEST_BROWSER` names another one."""
    return os.environ.get("XENT_TEST_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """Playwright's page, and what it asked for and complained about while it was open."""

    def __init__(self, page, start: str) -> None:
        self.page, self.requests, self.errors = page, [], []
        inside = (start, "data:", "blob:")
        page.on("request", lambda request: request.url.startswith(inside) or self.requests.append(request.url))
        page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def __getattr__(self, name: str):
        return getattr(self.page, name)

    def fits(self) -> bool:
        """Whether nothing sticks out on the right, so that nobody has to scroll sideways."""
        return self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


class Browser:
    """A running Chromium that opens files, each in a profile of its own, without a network."""

    def __init__(self, chromium) -> None:
        self.chromium = chromium

    @contextlib.contextmanager
    def open(self, path: Path | str, *, width=1280, height=800, dark=False, script=True, root: Path | None = None):
        """Open the page of a file; every request that leaves `root` (the file itself, if not given) is recorded."""
        path = Path(path).resolve()
        context = self.chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            offline=True,
            device_scale_factor=1,
        )
        try:
            page = Page(context.new_page(), (root.resolve() if root else path).as_uri())
            page.goto(path.as_uri())
            yield page
        finally:
            context.close()


@pytest.fixture(scope="session")
def browser():
    """A `Browser`; the test is skipped, with the reason, where there is none."""
    path = find_browser()
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on PATH (Debian: apt install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield Browser(chromium)
        chromium.close()
