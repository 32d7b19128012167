import ssl

import pytest
from faust.auth import SASLCredentials, SSLCredentials

from streams.worker.credentials import SecurityError, credentials
from streams.worker.publisher import OutputPublisher

SERVERS = {"bootstrap.servers": "k:1"}


def test_no_settings_no_credentials() -> None:
    assert credentials(SERVERS) is None
    assert credentials({**SERVERS, "security.protocol": "PLAINTEXT"}) is None


def test_a_password_over_tls() -> None:
    made = credentials(
        {
            "security.protocol": "sasl_ssl",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "me",
            "sasl.password": "secret",
        }
    )
    assert isinstance(made, SASLCredentials)
    assert (made.username, made.password, made.mechanism.value) == ("me", "secret", "SCRAM-SHA-512")
    assert made.ssl_context is not None
    assert made.ssl_context.check_hostname
    assert "secret" not in repr(made)


def test_a_password_without_tls() -> None:
    made = credentials(
        {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "a", "sasl.password": "b"}
    )
    assert isinstance(made, SASLCredentials)
    assert made.ssl_context is None


def test_tls_alone_checks_the_broker_unless_told_not_to() -> None:
    made = credentials({"security.protocol": "SSL"})
    assert isinstance(made, SSLCredentials)
    assert made.context.verify_mode is ssl.CERT_REQUIRED
    loose = credentials({"security.protocol": "SSL", "enable.ssl.certificate.verification": "false"})
    assert isinstance(loose, SSLCredentials)
    assert loose.context.verify_mode is ssl.CERT_NONE
    nameless = credentials({"security.protocol": "SSL", "ssl.endpoint.identification.algorithm": "none"})
    assert isinstance(nameless, SSLCredentials)
    assert not nameless.context.check_hostname
    assert nameless.context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("client", "says"),
    [
        ({"security.protocol": "magic"}, "KAFKA_SECURITY_PROTOCOL is MAGIC"),
        ({"security.protocol": "SASL_SSL"}, "KAFKA_SASL_MECHANISM is not set"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"}, "KAFKA_SASL_MECHANISM is OAUTHBEARER"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}, "needs KAFKA_SASL_USERNAME"),
        ({"sasl.kerberos.keytab": "/etc/keytab"}, "does not understand sasl.kerberos.keytab"),
        ({"security.protocol": "SSL", "ssl.ca.location": "/none"}, "KAFKA_SSL_CA_LOCATION: /none cannot be read"),
        (
            {"security.protocol": "SSL", "ssl.certificate.location": "/none"},
            "KAFKA_SSL_KEY_LOCATION .not set",
        ),
    ],
)
def test_what_the_consumer_cannot_do_is_refused_before_it_tries(client: dict[str, str], says: str) -> None:
    with pytest.raises(SecurityError, match=says):
        credentials(client)


def test_what_the_producer_does_not_take_is_refused_too() -> None:
    with pytest.raises(SecurityError, match="true or false; look at the KAFKA_"):
        OutputPublisher({"bootstrap.servers": "k:1", "enable.ssl.certificate.verification": "maybe"}, 1.0)
