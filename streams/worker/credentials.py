"""Convert librdkafka's security settings to Faust credentials (SASL and TLS)."""

import ssl
from collections.abc import Mapping
from typing import Any, Final

from faust.auth import SASLCredentials, SSLCredentials
from faust.types.auth import CredentialsT

_PASSWORD_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_SUPPORTED: Final = frozenset(
    {
        "bootstrap.servers",
        "security.protocol",
        "sasl.mechanism",
        "sasl.username",
        "sasl.password",
        "ssl.ca.location",
        "ssl.certificate.location",
        "ssl.key.location",
        "ssl.key.password",
        "enable.ssl.certificate.verification",
        "ssl.endpoint.identification.algorithm",
    }
)


class SecurityError(ValueError):
    """Kafka client settings that the worker's consumer does not support."""


def credentials(client: Mapping[str, str]) -> CredentialsT | None:
    """Return Faust credentials for librdkafka settings; None for plaintext. Raises SecurityError."""
    unknown = sorted(client.keys() - _SUPPORTED)
    if unknown:
        raise SecurityError(f"the worker does not understand {', '.join(unknown)}; it understands {sorted(_SUPPORTED)}")
    protocol = client.get("security.protocol", "plaintext").upper()
    if protocol == "PLAINTEXT":
        return None
    context = _ssl_context(client) if protocol in {"SSL", "SASL_SSL"} else None
    if protocol == "SSL":
        return SSLCredentials(context)
    if protocol not in {"SASL_PLAINTEXT", "SASL_SSL"}:
        raise SecurityError(f"KAFKA_SECURITY_PROTOCOL is {protocol}: use PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")
    mechanism = client.get("sasl.mechanism", "").upper()
    if mechanism not in _PASSWORD_MECHANISMS:
        raise SecurityError(
            f"KAFKA_SASL_MECHANISM is {mechanism or 'not set'}: use one of {', '.join(_PASSWORD_MECHANISMS)}"
        )
    name, password = client.get("sasl.username"), client.get("sasl.password")
    if not name or not password:
        raise SecurityError(f"{mechanism} needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD")
    return SASLCredentials(username=name, password=password, ssl_context=context, mechanism=mechanism)


def _ssl_context(client: Mapping[str, str]) -> ssl.SSLContext:
    authority, certificate = client.get("ssl.ca.location"), client.get("ssl.certificate.location")
    try:
        context = ssl.create_default_context(cafile=authority)
    except OSError as error:
        raise SecurityError(f"KAFKA_SSL_CA_LOCATION: {authority} cannot be read as certificates: {error}") from error
    if certificate:
        key: Any = client.get("ssl.key.location")
        try:
            context.load_cert_chain(certificate, key, client.get("ssl.key.password", ""))
        except OSError as error:
            raise SecurityError(
                f"KAFKA_SSL_CERTIFICATE_LOCATION ({certificate}), KAFKA_SSL_KEY_LOCATION ({key or 'not set'}) and "
                f"KAFKA_SSL_KEY_PASSWORD do not give a certificate and its key: {error}"
            ) from error
    if client.get("ssl.endpoint.identification.algorithm", "https").lower() == "none":
        context.check_hostname = False
    if client.get("enable.ssl.certificate.verification", "true").lower() == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
