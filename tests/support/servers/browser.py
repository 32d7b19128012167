"""A real Chromium without a window, by its debugging protocol: how a page looks, what it asks for and complains of."""

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp

from tests.support.missing import not_run
from tests.support.servers.processes import Process, start

HOW_TO_GET_IT: Final = "Install Chromium (Debian: apt-get install chromium)."
_FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-port=0", "--hide-scrollbars",
)  # fmt: skip
_WATCHED: Final = ("Page", "Runtime", "Log", "Network")
_COMPLAINTS: Final = frozenset(("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"))


class Seen(NamedTuple):
    """What was watched while a page was loaded."""

    asked_for: list[str]
    """Every address, the page's own first."""
    complaints: list[str]


class Tab:
    """One page of the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._calls = 0
        self._events: list[dict[str, Any]] = []

    async def call(self, method: str, **given: Any) -> dict[str, Any]:
        """One command and its result; what happens meanwhile is kept."""
        self._calls += 1
        await self._socket.send_json({"id": self._calls, "method": method, "params": given})
        while True:
            message: dict[str, Any] = await self._socket.receive_json(timeout=30)
            if message.get("id") == self._calls:
                assert "error" not in message, f"{method}: {message['error']}"
                result: dict[str, Any] = message["result"]
                return result
            self._events.append(message)

    async def load(self, path: Path, width: int, *, height: int = 900, dark: bool = False) -> Seen:
        """Load a file in a window of this size and say what was seen until it was complete."""
        for domain in _WATCHED:
            await self.call(f"{domain}.enable")
        self._events.clear()
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        await self.call("Page.navigate", url=path.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._events.append(await self._socket.receive_json(timeout=30))
        await self.ask("document.fonts.ready.then(() => true)")
        requests = [one["params"]["request"]["url"] for one in self._of("Network.requestWillBeSent")]
        return Seen(requests, [str(one["params"]) for name in sorted(_COMPLAINTS) for one in self._of(name)])

    def _of(self, method: str) -> list[dict[str, Any]]:
        return [event for event in self._events if event.get("method") == method]

    async def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression; of a promise, what it comes to."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def picture(self) -> bytes:
        """All of the page, as PNG."""
        answer = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])

    async def print(self) -> bytes:
        """The page as it is printed, as PDF."""
        answer = await self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(answer["data"])


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Tab]:
    """Start Chromium with a new profile in `folder`, and end it."""
    command = shutil.which("chromium") or shutil.which("chromium-browser")
    if command is None:
        not_run("chromium", HOW_TO_GET_IT)
    profile = folder / "profile"
    process = start([command, *_FLAGS, f"--user-data-dir={profile}", "about:blank"], folder / "chromium.log")
    try:
        port = await _port(process, profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [one for one in await answer.json() if one["type"] == "page"]
            async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Tab(socket)
    finally:
        process.kill()


async def _port(process: Process, path: Path) -> int:
    def look() -> int | None:
        lines = path.read_text().splitlines() if path.exists() else []
        return int(lines[0]) if len(lines) > 1 else None

    return await asyncio.to_thread(process.wait_until, look, "its debugging port")
