"""Where our servers may connect to: URLs that somebody configured or typed in, checked first.

A URL could point at what only this machine can reach: the cloud's metadata service, a database's
port. Private addresses are refused unless the operator allowed the host by name. A name may lead
elsewhere a moment later, but no further than to a server whose certificate has that name: plain
http goes to allowed hosts only, and whoever connects follows no redirect.
"""

import asyncio
import socket
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from sealbook.errors import Misconfigured, SealbookError, Unavailable

RESOLVE_SECONDS = 5.0
_NAT64 = IPv6Network("64:ff9b::/96")
_UNICAST = IPv6Network("2000::/3")
_METADATA = (IPv4Network("168.63.129.16/32"), IPv4Network("192.0.0.0/24"))
"""Azure's and Oracle's services for their own machines, which Python takes for public."""

Address = IPv4Address | IPv6Address


class Forbidden(SealbookError):
    """The policy for outgoing connections does not allow this URL."""

    code = "url_refused"


async def check(url: str, allowed_hosts: Collection[str]) -> None:
    """Return when the URL leads to the public internet, or to an allowed host.

    Raises:
        Forbidden: not an https URL, or an address of it is private and the host not allowed.
        Unavailable: the name does not resolve.
    """
    host = _host(url, allowed_hosts)
    addresses = await _resolved(host)
    if not allows(host, allowed_hosts):
        refuse_private(host, addresses)


async def check_setting(name: str, url: str, allowed_hosts: Collection[str]) -> None:
    """`check`, for a setting: raises Misconfigured naming it."""
    try:
        await check(url, allowed_hosts)
    except Forbidden as refusal:
        raise Misconfigured(f"{name}: {refusal.message}", remedy=refusal.remedy) from None


def allows(host: str, allowed_hosts: Collection[str]) -> bool:
    """Whether the operator listed this host; case and a final dot make no difference."""
    return _plain(host) in {_plain(allowed) for allowed in allowed_hosts}


def refuse_private(host: str, addresses: Iterable[str]) -> None:
    """Raises Forbidden when any address of a host is not one of the public internet. Pure."""
    for text in addresses:
        # An interface may follow the address: fe80::1%eth0.
        if not is_public(ip_address(text.partition("%")[0])):
            raise Forbidden(
                f"The host {host!r} has the address {text}, which is not a public one.",
                remedy=f"If it is meant, add {host} to SEALBOOK_ALLOWED_HOSTS.",
            )


def is_public(address: Address) -> bool:
    """Whether an address, and any that it wraps, is one of the public internet."""
    if isinstance(address, IPv4Address):
        special = address.is_multicast or any(address in network for network in _METADATA)
        return address.is_global and not special
    inner = _wrapped(address)
    if inner is not None and not is_public(inner):
        return False
    return address in _NAT64 or (address.is_global and address in _UNICAST)


def _wrapped(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a mapped, 6to4, Teredo or NAT64 address leads to."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


def _host(url: str, allowed_hosts: Collection[str]) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise _no_url() from None
    if not host or parts.scheme not in ("https", "http"):
        raise _no_url()
    if parts.username is not None or parts.password is not None:
        raise Forbidden(
            f"A URL at {host!r} has a user name in it.", remedy="Give credentials apart from it."
        )
    if parts.scheme == "http" and not allows(host, allowed_hosts):
        raise Forbidden(
            f"The URL at {host!r} is plain http.",
            remedy=f"Use https, or add {host} to SEALBOOK_ALLOWED_HOSTS.",
        )
    return host


async def _resolved(host: str) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        raise Unavailable(
            f"The host {host!r} does not resolve.", remedy="Correct the URL, or the name server."
        ) from None
    return [str(address[0]) for *_, address in found]


def _plain(host: str) -> str:
    return host.strip().strip("[]").rstrip(".").casefold()


def _no_url() -> Forbidden:
    return Forbidden("This is not an http or https URL.", remedy="Write https://host/path.")
