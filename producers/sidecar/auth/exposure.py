"""Whether an address may be listened on without anybody having to prove who they are."""

import ipaddress

from producers.errors import UsageError
from producers.sidecar.auth.settings import AuthSettings, UnauthenticatedSettings


def check_exposure(host: str, auth: AuthSettings) -> None:
    """Let the sidecar start where only those can reach it who may.

    Raises:
        UsageError: the address is not loopback, and somebody would be let in without a proof.
    """
    if is_loopback(host) or auth.open or _needs_certificate(auth):
        return
    ways = "listen on 127.0.0.1, configure `auth`, or, where something else guards the address, say `auth.open: true`"
    if not auth.configured:
        raise UsageError(f"listening on {host}, where others can reach it, and no authentication is configured: {ways}")
    unproven = sorted(source for source, way in auth.webhooks.items() if isinstance(way, UnauthenticatedSettings))
    if unproven:
        named = ", ".join(f"auth.webhooks.{source}" for source in unproven)
        raise UsageError(f"listening on {host}, where others can reach it, with `scheme: none` at {named}: {ways}")


def is_loopback(host: str) -> bool:
    """Whether only this machine, or this pod, reaches the address. A name that is not `localhost` is none."""
    if host.casefold() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _needs_certificate(auth: AuthSettings) -> bool:
    return auth.tls is not None and auth.tls.client_ca is not None and auth.tls.client_certificate == "required"
