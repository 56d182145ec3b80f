"""The lineage page of Dagster's UI in headless Chromium: what it says, and a picture of it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class LineagePage:
    """What a person sees: the page's words, and the banners that warn."""

    text: str
    warnings: list[str]


def read_lineage_page(address: str, picture: Path, *, width: int = 2600, height: int = 1850) -> LineagePage:
    """Opens the whole lineage graph at `address`, unfolds every group, and takes a picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=1)
        page.goto(f"{address}/asset-groups", wait_until="networkidle")
        page.wait_for_timeout(3000)
        _unfold(page)
        page.reload(wait_until="networkidle")  # what is unfolded is remembered, and the whole is fitted in
        expect(page.locator("body")).not_to_contain_text("Loading", timeout=30_000, use_inner_text=True)
        page.wait_for_timeout(1500)
        page.screenshot(path=str(picture))
        seen = LineagePage(page.inner_text("body"), _warnings(page))
        browser.close()
        return seen


def _unfold(page: Page) -> None:
    """Expands every group of assets."""
    for label in ("Expand all groups", "Expand all"):
        button = page.get_by_label(label)
        if button.count():
            button.first.click()
            page.wait_for_timeout(2500)
            return
    page.keyboard.press("Alt+e")
    page.wait_for_timeout(2500)


def _warnings(page: Page) -> list[str]:
    banners = page.locator('[class*="Banner"], [role="alert"]')
    return [text for text in banners.all_inner_texts() if text.strip()]


if __name__ == "__main__":
    found = read_lineage_page(sys.argv[1], Path(sys.argv[2]))
    sys.stdout.write(f"{found.text}\nwarnings: {found.warnings}\n")
