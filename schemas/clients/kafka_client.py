"""Kafka client settings from the environment: KAFKA_SASL_USERNAME becomes `sasl.username`.

Only names of the list below are read. Kubernetes sets KAFKA_PORT and the like for any service called `kafka`, and a
reader of every KAFKA_ variable would take those for settings.
"""

from collections.abc import Mapping
from typing import Final

from typing_extensions import override

PREFIX: Final = "KAFKA_"

ALLOWED: Final = frozenset(
    {
        "security.protocol",
        "enable.ssl.certificate.verification",
        "sasl.mechanism",
        "sasl.username",
        "sasl.password",
        "sasl.kerberos.service.name",
        "sasl.kerberos.principal",
        "sasl.kerberos.keytab",
        "sasl.kerberos.kinit.cmd",
        "sasl.kerberos.min.time.before.relogin",
        "sasl.oauthbearer.method",
        "sasl.oauthbearer.config",
        "sasl.oauthbearer.client.id",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.client.credentials.client.id",
        "sasl.oauthbearer.client.credentials.client.secret",
        "sasl.oauthbearer.scope",
        "sasl.oauthbearer.sub.claim.name",
        "sasl.oauthbearer.metadata.authentication.type",
        "sasl.oauthbearer.extensions",
        "sasl.oauthbearer.token.endpoint.url",
        "sasl.oauthbearer.grant.type",
        "sasl.oauthbearer.assertion.algorithm",
        "sasl.oauthbearer.assertion.private.key.file",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "sasl.oauthbearer.assertion.private.key.pem",
        "sasl.oauthbearer.assertion.file",
        "sasl.oauthbearer.assertion.claim.aud",
        "sasl.oauthbearer.assertion.claim.exp.seconds",
        "sasl.oauthbearer.assertion.claim.iss",
        "sasl.oauthbearer.assertion.claim.jti.include",
        "sasl.oauthbearer.assertion.claim.nbf.seconds",
        "sasl.oauthbearer.assertion.claim.sub",
        "sasl.oauthbearer.assertion.jwt.template.file",
        "ssl.ca.location",
        "ssl.ca.pem",
        "ssl.certificate.location",
        "ssl.certificate.pem",
        "ssl.key.location",
        "ssl.key.pem",
        "ssl.key.password",
        "ssl.keystore.location",
        "ssl.keystore.password",
        "ssl.crl.location",
        "ssl.cipher.suites",
        "ssl.curves.list",
        "ssl.sigalgs.list",
        "ssl.endpoint.identification.algorithm",
        "https.ca.location",
        "https.ca.pem",
    }
)
"""Client settings that the environment may give, by librdkafka's names: who we are, and whom we trust.

Not among them: what loads code (`ssl.engine.location`, `ssl.providers`), tokens without a signature
(`enable.sasl.oauthbearer.unsecure.jwt`), and what only Java reads (`sasl.jaas.config`, `ssl.truststore.location`).
"""

ALIASES: Final = {"sasl.mechanisms": "sasl.mechanism"}
"""Names that librdkafka has for the same setting; its documents use both. The one on the right comes first."""


class KafkaSettings(dict[str, str]):
    """Client settings, shown without their values: some are secrets, and any log line may print a dict."""

    @override
    def __repr__(self) -> str:
        """Return the names only."""
        return f"KafkaSettings({', '.join(sorted(self))})"

    __str__ = __repr__


def kafka_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the allowed client settings found in `environ`. An empty value, as CI gives for a secret unset, is none.

    The result hides its values when printed; do not print them one by one.
    """
    settings = KafkaSettings()
    for name, meant in [*ALIASES.items(), *((name, name) for name in ALLOWED)]:
        if value := environ.get(PREFIX + name.upper().replace(".", "_")):
            settings[meant] = value
    return settings
