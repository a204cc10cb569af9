"""Measure how fast the pages of the rendered book appear and how fast their sliders redraw, and print one table.

``make bench-pages`` runs it on ``_build/html``. Every page is opened from a local server with an empty cache; its first
contentful paint is what the browser reports of itself. A redraw is the time from the start of a frame in which a slider
moved until that frame is laid out and painted; at 30 frames a second it may take 33 ms.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from _tools.build.contents import table_of_contents
from _tools.build.headless import browser_paths, chromium, served
from selenium import webdriver

ROOT = Path(__file__).resolve().parents[1]

VISITS, MOVES = 3, 60
FRAME = 1000 / 30  # milliseconds
ROW = "{:38s} {:>9s} {:>9s} {:>9s}"

FIRST_PAINT = """
const done = arguments[0];
const tell = () => {
  const entry = performance.getEntriesByType('paint').find(({name}) => name === 'first-contentful-paint');
  if (entry) done(entry.startTime);
  else requestAnimationFrame(tell);
};
tell();
"""

# Callbacks of one frame run in the order in which they were asked for: ours, the page's, ours; the message follows.
REDRAWS = """
const [id, moves, done] = arguments;
const slider = document.getElementById(id), stops = Number(slider.max) + 1, stride = Math.ceil(stops / moves);
const channel = new MessageChannel(), times = [];
let start = 0;
const move = () => {
  requestAnimationFrame(() => { start = performance.now(); });
  slider.value = (Number(slider.value) + stride) % stops;
  slider.dispatchEvent(new Event('input', {bubbles: true}));
  requestAnimationFrame(() => channel.port2.postMessage(null));
};
channel.port1.onmessage = () => {
  times.push(performance.now() - start);
  if (times.length < moves) move();
  else done(times);
};
move();
"""
SLIDERS = "return [...document.querySelectorAll('#explorer-view input[type=range]')].map(slider => slider.id)"


def row(name: str, times: list[float]) -> None:
    print(
        ROW.format(name, *(f"{value:.0f} ms" for value in (min(times), statistics.median(times), max(times)))),
        flush=True,
    )


def first_paint(session: webdriver.Chrome, address: str) -> list[float]:
    """Milliseconds from asking for a page to its first text or picture, a value a visit."""
    times = []
    for _ in range(VISITS):
        session.get(address)
        times.append(session.execute_async_script(FIRST_PAINT))
    return times


def main() -> int:
    paths = browser_paths()
    site = ROOT / "_build/html"
    if paths is None or not site.is_dir():
        print("Needs Chromium with its driver and the rendered book (make book).", file=sys.stderr)
        return 1
    pages = [f"{page}.html" for page in table_of_contents(ROOT)]
    with served(site) as origin, chromium(*paths, width=1300, height=1000) as session:
        session.execute_cdp_cmd("Network.enable", {})
        session.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
        print(ROW.format("first contentful paint", "least", "median", "most"))
        slowest = {}
        for page in pages:
            times = first_paint(session, origin + page)
            slowest[page] = statistics.median(times)
            row(page, times)
        print(ROW.format("redraw after a move of a slider", "least", "median", "most"))
        for page in pages:
            session.get(origin + page)
            for slider in session.execute_script(SLIDERS):
                times = session.execute_async_script(REDRAWS, slider, MOVES)
                row(f"{page} {slider.removeprefix('explorer-')}", times)
    page = max(slowest, key=slowest.get)
    print(f"The slowest page to appear is {page}, {slowest[page]:.0f} ms; a frame at 30 a second is {FRAME:.0f} ms.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
