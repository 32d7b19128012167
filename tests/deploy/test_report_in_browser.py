"""The page of `candora report` as people see it: in a real browser, at a desk, on a phone, in the dark and on paper."""

from collections import Counter
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from schemas.values import DAY
from streams.core.settings import MetricSettings
from streams.report.layout import document
from streams.report.page import page
from streams.report.periods import last
from streams.report.review import ReviewRequest, review
from tests.support.builders.hostile_review import hostile_review
from tests.support.company_history import END, company_events
from tests.support.servers.browser import browser

pytestmark = pytest.mark.browser

OVERFLOWING = """
[...document.querySelectorAll('body *')]
  .filter(one => !one.closest('svg') && !one.closest('details') && one.getBoundingClientRect().right > innerWidth + 0.5)
  .map(one => one.tagName + ' ' + one.textContent.slice(0, 40))
"""
CRUSHED = """
[...document.querySelectorAll('svg[role=img]')]
  .map(one => one.getBoundingClientRect()).filter(box => box.width < 120 || box.height < 40).length
"""
CUT_OFF = """
[...document.querySelectorAll('svg[role=img]')].filter(one => {
  const box = one.getBoundingClientRect();
  return [...one.querySelectorAll('text')].some(text => {
    const own = text.getBoundingClientRect();
    return own.left < box.left - 6 || own.right > box.right + 6;
  });
}).map(one => one.getAttribute('aria-labelledby'))
"""
CONTRAST = """
['--ink', '--muted', '--accent', '--bad', '--good'].map(name => {
  const probe = document.createElement('i');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const light = colour => {
    const parts = colour.match(/\\d+/g).slice(0, 3).map(one => one / 255)
      .map(one => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const [one, other] = [getComputedStyle(probe).color, getComputedStyle(document.body).backgroundColor].map(light);
  probe.remove();
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
})
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty days of the demo company."""
    told = review(company_events(), ReviewRequest(last(30 * DAY, END), ("prod",)), MetricSettings())
    path = tmp_path_factory.mktemp("page") / "review.html"
    path.write_text(page(told, document(told)), "utf-8")
    return path


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (768, False), (390, False), (390, True)])
async def test_nothing_overflows_is_asked_for_or_complained_of(
    file: Path, tmp_path: Path, width: int, dark: bool
) -> None:
    async with browser(tmp_path) as tab:
        seen = await tab.load(file, width, dark=dark)
        assert seen.complaints == []
        assert [one for one in seen.asked_for if not one.startswith("data:")] == [file.as_uri()]
        assert await tab.ask("document.documentElement.scrollWidth") == width
        assert await tab.ask(OVERFLOWING) == []
        assert await tab.ask("document.querySelectorAll('figure svg[role=img] > title').length") == 12
        assert await tab.ask(CRUSHED) == 0
        assert await tab.ask(CUT_OFF) == []
        assert min(await tab.ask(CONTRAST)) >= 4.5
        picture = await tab.picture()
    (tmp_path / "review.png").write_bytes(picture)
    colours = _colours(picture)
    assert len(colours) > 50
    assert colours.most_common(1)[0][1] < 0.97 * colours.total()


async def test_a_picture_is_drawn_in_the_colours_of_the_page(file: Path, tmp_path: Path) -> None:
    async with browser(tmp_path) as tab:
        fills = []
        for dark in (False, True):
            await tab.load(file, 1280, dark=dark)
            fills.append(await tab.ask("getComputedStyle(document.querySelector('#spread-title ~ g text')).fill"))
    assert len(set(fills)) == 2


async def test_it_prints_on_a_few_pages(file: Path, tmp_path: Path) -> None:
    async with browser(tmp_path) as tab:
        await tab.load(file, 1280)
        paper = await tab.print()
    assert paper.startswith(b"%PDF")
    assert 3 <= paper.count(b"/Type /Page\n") + paper.count(b"/Type /Page ") <= 8


async def test_text_of_others_does_nothing(tmp_path: Path) -> None:
    told = hostile_review()
    path = tmp_path / "evil.html"
    path.write_text(page(told, document(told)), "utf-8")
    async with browser(tmp_path) as tab:
        seen = await tab.load(path, 390)
        assert seen.complaints == []
        assert [one for one in seen.asked_for if not one.startswith("data:")] == [path.as_uri()]
        assert await tab.ask("document.querySelectorAll('script, img, iframe, object').length") == 0
        assert await tab.ask("document.documentElement.scrollWidth") == 390


def _colours(png: bytes) -> Counter[tuple[int, ...]]:
    """How often each colour stands in a small copy of the picture; enough to tell a page from a blank one."""
    with Image.open(BytesIO(png)) as picture:
        small = picture.convert("RGB").resize((picture.width // 4, picture.height // 4))
    return Counter(zip(*(band.tobytes() for band in small.split()), strict=True))
