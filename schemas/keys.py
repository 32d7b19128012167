"""The keys of the published records. No two records share one, whatever their names are."""


def record_key(*parts: str) -> bytes:
    """Return the key of a record from its service, its environment if it has one, and its own name.

    Services and names may hold a slash, environments may not. One in the last part is written as %2F, so the key can
    only be taken apart in one way, from its end.
    """
    *places, name = parts
    return "/".join((*places, name.replace("%", "%25").replace("/", "%2F"))).encode()
