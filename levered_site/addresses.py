"""Which hosts we may connect to on a customer's word: public ones, and private networks that the operator allows.

A name is resolved once, here, and the caller connects to the address that was vetted: what the name resolves to a
moment later cannot matter. Every address of a name must be allowed: none hides behind another.
"""

import ipaddress
import re
import socket
import threading
from collections.abc import Callable, Sequence

from django.conf import settings

from levered_site.errors import InvalidRequest, Issue, Unavailable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str], Sequence[str]]

RESOLVE_SECONDS = 5.0
# Services that hand credentials to whoever asks from within a cloud; link-local ones are refused anyway.
_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd00:ec2::253", "fd20:ce::254"),
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")  # IPv4 in the last 32 bits, an old spelling
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE | re.ASCII)
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)  # the last label of another spelling of IPv4


def vetted_address(host: str, *, field: str = "host", resolve: Resolver | None = None) -> str:
    """The IP address to connect to for `host`, a name or an address.

    Raises:
        InvalidRequest: naming `field`: no host name, or one with an address that is not allowed.
        Unavailable: the name is not resolved in time.
    """
    name = _name(host, field)
    try:
        found = [ipaddress.ip_address(name)]
    except ValueError:
        found = [ipaddress.ip_address(a) for a in (resolve or _resolve)(name)]
    if not found:
        raise _refusal(field, f"The host '{name}' has no address.")
    if any(not is_allowed(address, settings.PRIVATE_NETWORKS) for address in found):
        message = f"The host '{name}' is not reachable from here: its address is not a public one."
        raise _refusal(field, message)
    return str(found[0])


def is_allowed(address: Address, private: Sequence[Network]) -> bool:
    """Whether it is public, or lies in one of the `private` networks. Some addresses are nobody's to allow."""
    inner = _embedded(address)
    if inner is not None:
        return is_allowed(inner, private)
    never = (address.is_unspecified, address.is_link_local, address.is_multicast, address in _METADATA)
    if any(never) or (isinstance(address, ipaddress.IPv6Address) and address.scope_id):
        return False
    if any(address in network for network in private if network.version == address.version):
        return True
    return address.is_global and not address.is_reserved and not getattr(address, "is_site_local", False)


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if found := address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1]):
        return found
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


def _name(host: str, field: str) -> str:
    """A host name or an address in their one usual spelling."""
    name = host.strip().removesuffix(".").lower()
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    labels = name.split(".")
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)) or _NUMERIC.fullmatch(labels[-1]):
        raise _refusal(field, "This must be a host name or an IP address.")
    return name


def _resolve(name: str) -> list[str]:
    """Every address of a name. The system's resolver knows no timeout, so another thread waits for it."""
    found: list[str] = []
    failed: list[OSError] = []

    def ask() -> None:
        try:
            found.extend(str(info[4][0]) for info in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM))
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(RESOLVE_SECONDS)
    if thread.is_alive() or failed:
        raise Unavailable(f"The host '{name}' cannot be resolved.")
    return list(dict.fromkeys(found))


def _refusal(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {message}", details=[Issue(field, message)])
