"""The agent: it takes batches in the order they come, and leaves everything else to others."""

from typing import Any

from mode.supervisors import CrashingSupervisor

from streams.worker.batches import BatchReader
from streams.worker.hardening import HardenedApp


def add_agent(app: HardenedApp, topic: str, reader: BatchReader) -> None:
    """Let `reader` read the batches of `topic`. What it raises ends the worker; nothing is acknowledged but by it."""
    source = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")

    async def read_batches(stream: Any) -> None:
        async for event in stream.noack().events():
            await reader.read(event)

    app.agent(source, name="read_batches", supervisor_strategy=CrashingSupervisor)(read_batches)
