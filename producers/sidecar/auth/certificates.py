"""The names in a client's certificate. TLS has checked its chain; a name says who of all those it is."""

from producers.sidecar.auth.access import PeerCertificate

_KINDS = frozenset({"DNS", "URI", "IP Address", "email"})


def certificate_names(certificate: PeerCertificate) -> frozenset[str]:
    """The names of its subjectAltName. The common name is none: nothing has limited what stands there."""
    return frozenset(name for kind, name in certificate.get("subjectAltName", ()) if kind in _KINDS)
