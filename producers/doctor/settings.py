"""Where the settings come from, and what was set but does nothing. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from producers import config as names
from producers.config import ProducerConfig
from producers.doctor.finding import CheckResult, ok, problem, warning
from producers.errors import ExitCode
from schemas.clients.kafka_client import ALLOWED, PREFIX

_SECURITY: Final = ("KAFKA_SECURITY_", "KAFKA_SASL_", "KAFKA_SSL_", "KAFKA_ENABLE_SSL_")
"""What begins so is meant for the connection; other KAFKA_ variables are those of Kubernetes or of a broker."""


def check_settings(
    config: ProducerConfig, given: Mapping[str, Any], environ: Mapping[str, str]
) -> Iterator[CheckResult]:
    """Report the settings and where each comes from; of secrets only that they are set."""
    if config.sidecar is not None:
        return  # `check_sidecar` says it, once the address is known to hold no password
    if config.servers is None:
        advice = (
            f"set {names.SERVERS} (or --bootstrap-servers) to host:port of a broker, or {names.SIDECAR} (or --sidecar) "
            "to the address of a sidecar; a secret that CI does not hand "
        )
        advice += "out, as to the pull request of a fork, is an empty variable"
        yield problem("settings", "Kafka is not configured", advice, ExitCode.NOT_CONFIGURED)
    else:
        origin = "--bootstrap-servers" if given.get("servers") else names.SERVERS
        prefix = f", topics begin with {config.topic_prefix!r}" if config.topic_prefix else ""
        yield ok("settings", f"Kafka at {config.servers} ({origin}){prefix}, waiting {config.timeout:g} s at most")
    yield _security(config)
    known = {PREFIX + name.upper().replace(".", "_") for name in ALLOWED}
    for name in sorted(environ):
        if name.startswith(_SECURITY) and name not in known:
            yield warning("settings", f"{name} is not read", "check its spelling, or unset it")


def _security(config: ProducerConfig) -> CheckResult:
    protocol = config.kafka.get("security.protocol", "PLAINTEXT").upper()
    set_names = ", ".join(sorted(config.kafka))
    text = f"{protocol}" + (f", with {set_names}" if set_names else ", nothing set")
    if "SASL" in protocol and not config.kafka.get("sasl.mechanism"):
        return warning("security", text, "set KAFKA_SASL_MECHANISM too, or the client asks for Kerberos")
    if "SASL" not in protocol and any(name.startswith("sasl.") for name in config.kafka):
        advice = "set KAFKA_SECURITY_PROTOCOL to SASL_SSL: without it SASL is not used, and the broker may hang up"
        return warning("security", text, advice)
    if "SSL" not in protocol and any(name.startswith("ssl.") for name in config.kafka):
        return warning("security", text, "set KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL: without it TLS is not used")
    if protocol == "SASL_PLAINTEXT":
        return warning(
            "security", text, "use SASL_SSL: what is sent, and with PLAIN the password, can be read on the way"
        )
    return ok("security", text)
