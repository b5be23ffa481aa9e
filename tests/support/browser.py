"""A real browser without a window: Chromium, new for every page, cut off from every network."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
_CLOSED, _OPEN = "default-src &#x27;none&#x27;", "default-src &#x27;unsafe-inline&#x27;"
_SECONDS = 120
_ANSWER = re.compile(r'<pre id="answer">(.*?)</pre>', re.DOTALL)


@cache
def missing() -> str:
    """Why no page can be looked at; empty where a browser is there."""
    return "" if _program() else f"no browser: install one of {', '.join(PROGRAMS)} (Debian: apt-get install chromium)"


def _program() -> str | None:
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A file as a browser shows it."""

    file: Path
    width: int = 1280
    dark: bool = False

    def screenshot(self, target: Path, height: int = 2400) -> Path:
        """A picture of its beginning."""
        self._run(f"--window-size={self.width},{height}", f"--screenshot={target}")
        return target

    def printed(self, target: Path) -> Path:
        """The page as PDF."""
        self._run("--no-pdf-header-footer", f"--print-to-pdf={target}")
        return target

    def asked(self, script: str) -> Mapping[str, Any]:
        """What a script finds in the page at this width. It runs in a copy whose policy allows scripts of the copy.

        Chromium's windows are no narrower than 500 pixels, so that a phone's page is shown in a frame of its width.
        """
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            text = self.file.read_text(encoding="utf-8").replace(_CLOSED, _OPEN)
            inner = folder / "inner.html"
            send = f"parent.postMessage(JSON.stringify((() => {{{script}}})()), '*')"
            said = f"<script>addEventListener('load', () => {send})</script>"
            inner.write_text(text.replace("</body>", f"{said}</body>"), encoding="utf-8")
            outer = folder / "outer.html"
            outer.write_text(
                '<!doctype html><pre id="answer"></pre><script>addEventListener("message",e=>'
                '{document.getElementById("answer").textContent=e.data})</script>'
                f'<iframe src="inner.html" style="border:0;width:{self.width}px;height:4000px"></iframe>',
                encoding="utf-8",
            )
            done = Page(file=outer, width=self.width + 40, dark=self.dark)._run(
                "--virtual-time-budget=4000", "--dump-dom"
            )
        found = _ANSWER.search(done)
        if found is None or not found[1]:
            raise AssertionError(f"the page did not answer: {done[-400:]}")
        return json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))

    def _run(self, *flags: str) -> str:
        with tempfile.TemporaryDirectory() as profile:
            command = [
                str(_program()), *FLAGS, f"--user-data-dir={profile}", *(["--force-dark-mode"] if self.dark else []),
                *(["--blink-settings=preferredColorScheme=0"] if self.dark else []), *flags, self.file.as_uri(),
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
        return done.stdout
