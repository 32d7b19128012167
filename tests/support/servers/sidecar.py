"""`candora-ci serve` as a process, on a real broker, that a test may kill and start again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Process, Processes, free_port


class Sidecar:
    """One that is started again on the same spool and the same address."""

    def __init__(
        self,
        processes: Processes,
        kafka: KafkaBroker,
        prefix: str,
        folder: Path,
        spool: Mapping[str, Any] | None = None,
        **sections: Any,
    ) -> None:
        self._processes = processes
        self.port, self.metrics_port = free_port(), free_port()
        self.file = folder / "sidecar.yaml"
        settings = {
            "listen": {"port": self.port},
            "metrics": {"port": self.metrics_port},
            "kafka": {"bootstrap_servers": kafka.bootstrap, "topic_prefix": prefix},
            "spool": {"folder": str(folder / "spool"), **(spool or {})},
            **sections,
        }
        self.file.write_text(yaml.safe_dump(settings), "utf-8")
        self.process = self._start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """SIGKILL, and start it again."""
        self.process.kill()
        self.start()

    def start(self) -> None:
        """Start it again, ready."""
        self.process = self._start()

    def waiting(self) -> int:
        """How many messages are on the disk, by its own /metrics."""
        text = self.process.wait_for_url(f"http://127.0.0.1:{self.metrics_port}/metrics").decode()
        [line] = [line for line in text.splitlines() if line.startswith("delivery_sidecar_spool_files ")]
        return int(float(line.split()[1]))

    def _start(self) -> Process:
        process = self._processes.candora_ci("serve", "--config", str(self.file))
        process.wait_for_url(f"{self.url}/readyz")
        return process
