"""A real Kafka that asks who its clients are: by SCRAM on one port, by certificates on another, by OAuth on a third."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from typing_extensions import override

from tests.support.certificates import Authority
from tests.support.forges import AUDIENCE, Forge
from tests.support.missing import not_run
from tests.support.servers.kafka import HOW_TO_GET_ONE, JvmBroker, KafkaBroker, broker_settings
from tests.support.servers.kafka_jars import KafkaUnavailable, java, kafka_jars
from tests.support.servers.processes import Process, free_port, start

USER: Final = "candora"
PASSWORD: Final = "a-password-that-no-output-shows"
CLUSTER: Final = "candora-secure-0000000"

_SECURITY: Final = "org.apache.kafka.common.security"


@dataclass
class SecureBroker(JvmBroker):
    """Kafka as a Java process with four ports: `port` asks nothing and is for the test's own questions."""

    authority: Authority = field(default_factory=Authority)
    scram_port: int = field(default_factory=free_port)
    tls_port: int = field(default_factory=free_port)
    oauth_port: int = field(default_factory=free_port)
    issuer: Forge = field(default_factory=Forge)
    """Whose tokens the port for OAuth takes."""
    more: Mapping[str, str] = field(default_factory=dict)
    """Settings of the broker beyond these."""

    def scram(self, password: str = PASSWORD) -> dict[str, str]:
        """The environment of a process that proves itself by a password."""
        return {
            "CANDORA_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.scram_port}",
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_SASL_USERNAME": USER,
            "KAFKA_SASL_PASSWORD": password,
        }

    def oauth(self, endpoint: str, secret: str = PASSWORD) -> dict[str, str]:
        """The environment of a process that gets a token for itself from an endpoint (client credentials)."""
        return {
            "CANDORA_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.oauth_port}",
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
            "KAFKA_SASL_OAUTHBEARER_METHOD": "oidc",
            "KAFKA_SASL_OAUTHBEARER_CLIENT_ID": USER,
            "KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET": secret,
            "KAFKA_SASL_OAUTHBEARER_SCOPE": "kafka",
            "KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL": endpoint,
        }

    def mutual_tls(self, authority: Authority | None = None) -> dict[str, str]:
        """The environment of a process that proves itself by a certificate, of our authority or of another."""
        signer = authority or self.authority
        certificate, key = signer.issue("client").write(self.folder, signer.name.replace(" ", "-"))
        return self.tls() | {"KAFKA_SSL_CERTIFICATE_LOCATION": str(certificate), "KAFKA_SSL_KEY_LOCATION": str(key)}

    def tls(self) -> dict[str, str]:
        """The environment of a process that has no certificate."""
        return {
            "CANDORA_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.tls_port}",
            "KAFKA_SECURITY_PROTOCOL": "SSL",
            "KAFKA_SSL_CA_LOCATION": str(self.authority.write(self.folder / "ca.pem")),
        }

    @property
    def _keys(self) -> Path:
        return self.folder / "jwks.json"

    @override
    def _run(self, main: str, *args: str) -> Process:
        # Kafka reads keys only from where it is told that it may.
        allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self._keys.as_uri()}"
        command = [self.java, "-Xms128m", "-Xmx512m", allowed, "-cp", f"{self.jars}/*", main, *args]
        return start(command, self.folder / "kafka.log", name=main)

    @override
    def _format(self) -> None:
        server = self.authority.issue("kafka", "127.0.0.1", "localhost")
        keystore, truststore = self.folder / "server.pem", self.authority.write(self.folder / "clients.pem")
        keystore.write_bytes(server.key_pem() + server.pem)
        settings = broker_settings(self.port, free_port(), str(self.folder / "data"))
        more = (
            f",SASL_PLAINTEXT://127.0.0.1:{self.scram_port},SSL://127.0.0.1:{self.tls_port}"
            f",OAUTH://127.0.0.1:{self.oauth_port}"
        )
        self._keys.write_bytes(self.issuer.jwks())
        settings |= {
            "listeners": settings["listeners"] + more,
            "advertised.listeners": settings["advertised.listeners"] + more,
            "listener.security.protocol.map": (
                "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,OAUTH:SASL_PLAINTEXT"
            ),
            "listener.name.sasl_plaintext.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config": (
                f"{_SECURITY}.scram.ScramLoginModule required;"
            ),
            "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.oauth.oauthbearer.sasl.jaas.config": (
                f"{_SECURITY}.oauthbearer.OAuthBearerLoginModule required;"
            ),
            "listener.name.oauth.oauthbearer.sasl.server.callback.handler.class": (
                f"{_SECURITY}.oauthbearer.OAuthBearerValidatorCallbackHandler"
            ),
            "listener.name.oauth.sasl.oauthbearer.jwks.endpoint.url": self._keys.as_uri(),
            "listener.name.oauth.sasl.oauthbearer.expected.audience": AUDIENCE,
            "ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(keystore),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(truststore),
            **self.more,
        }
        properties = self.folder / "server.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        user = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
        tool = "kafka.tools.StorageTool"
        format_storage = self._run(tool, "format", "-t", CLUSTER, "-c", str(properties), "--add-scram", user)
        if (code := format_storage.wait(60)) != 0:
            raise format_storage.failure(f"ended with exit code {code}")


def _created(folder: Path, more: Mapping[str, str]) -> SecureBroker:
    try:
        broker = SecureBroker(folder, java(), kafka_jars(), free_port(), more=more)
    except KafkaUnavailable as problem:
        not_run(f"a Kafka of its own: {problem}", HOW_TO_GET_ONE)
    broker._format()
    return broker


@contextmanager
def secure_broker(more: Mapping[str, str] | None = None) -> Iterator[tuple[KafkaBroker, SecureBroker]]:
    """A broker that asks, as the test's own questions see it and as its clients do; `more` are settings of it."""
    folder = Path(tempfile.mkdtemp(prefix="candora-secure-kafka-"))
    try:
        broker = _created(folder, more or {})
        try:
            broker.start()
            yield KafkaBroker(broker.bootstrap, "JVM", broker), broker
        finally:
            broker.kill()
    finally:
        shutil.rmtree(folder)
