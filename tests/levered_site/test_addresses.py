"""Hosts that a customer may name, and those that must never be reached."""

import ipaddress
import socket
import threading
from typing import Any

import pytest

from levered_site import addresses
from levered_site.addresses import vetted_address
from levered_site.errors import InvalidRequest, Unavailable

PUBLIC, PRIVATE = "93.184.216.34", "10.1.2.3"
# what nobody may connect to, whatever the operator allows
NEVER = [
    "0.0.0.0",
    "169.254.169.254",
    "169.254.0.1",
    "169.254.170.2",
    "224.0.0.1",
    "239.255.255.250",
    "ff02::1",
    "fe80::1",
    "fe80::1%eth0",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "[fe80::1]",
    "::",
]
# what only the operator may allow
PRIVATE_ONES = [
    "127.0.0.1",
    "127.1.2.3",
    "::1",
    "[::1]",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "192.0.2.1",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "::127.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
]
# other spellings of addresses, and what is no host at all
NO_HOSTS = [
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "127.1",
    "127.0.1",
    "0",
    "1",
    "0x0",
    "017700000001",
    "127.0.0.1.5",
    "010.0.0.1",
    "a.0x7f",
    "/var/run/postgresql",
    "@socket",
    "/tmp",
    "a/b",
    "user@host",
    "host:5432",
    "http://host",
    "host,127.0.0.1",
    "host;x",
    "a..b",
    "-a.example",
    "a-.example",
    ".example",
    "１２７.０.０.１",
    "127。0。0。1",
    "exa*mple",
    "[::1",
    "::1]",
    "a%00b",
]


def resolver(*found: str) -> Any:
    return lambda name: list(found)


class TestLiterals:
    @pytest.mark.parametrize("host", [PUBLIC, "8.8.8.8", "2606:4700::1111", "[2606:4700::1111]", "::ffff:8.8.8.8"])
    def test_public_ones_are_taken(self, host: str) -> None:
        assert vetted_address(host) == str(ipaddress.ip_address(host.strip("[]")))

    @pytest.mark.parametrize("host", NEVER + PRIVATE_ONES)
    def test_others_are_refused(self, host: str) -> None:
        with pytest.raises(InvalidRequest) as refused:
            vetted_address(host, field="credentials.host")
        assert refused.value.details[0].field == "credentials.host"

    @pytest.mark.parametrize("host", NEVER)
    def test_some_whatever_the_operator_allows(self, settings: Any, host: str) -> None:
        settings.PRIVATE_NETWORKS = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
        with pytest.raises(InvalidRequest):
            vetted_address(host)

    @pytest.mark.parametrize("host", PRIVATE_ONES)
    def test_private_ones_when_the_operator_allows_them(self, settings: Any, host: str) -> None:
        settings.PRIVATE_NETWORKS = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
        assert vetted_address(host)
        settings.PRIVATE_NETWORKS = [ipaddress.ip_network("10.9.9.0/24")]
        with pytest.raises(InvalidRequest):
            vetted_address(host)

    @pytest.mark.parametrize("host", [*NO_HOSTS, "", " ", "a b", "a\nb", "a\x00b", "a." * 130, f"{'a' * 64}.example"])
    def test_other_spellings_never_reach_a_resolver(self, host: str) -> None:

        def asked(name: str) -> list[str]:
            raise AssertionError(name)

        with pytest.raises(InvalidRequest):
            vetted_address(host, resolve=asked)


class TestNames:
    @pytest.mark.parametrize("host", ["db.example", "DB.Example.", "xn--bcher-kva.example", "a_b.example", "localhost"])
    def test_a_name_is_its_address(self, host: str) -> None:
        assert vetted_address(host, resolve=resolver(PUBLIC)) == PUBLIC

    @pytest.mark.parametrize("found", [*NEVER[:-2], *(h for h in PRIVATE_ONES if not h.startswith("["))])
    @pytest.mark.parametrize("public_first", [True, False])
    def test_one_bad_address_is_enough(self, found: str, public_first: bool) -> None:
        both = (PUBLIC, found) if public_first else (found, PUBLIC)
        for answer in (both, (found,)):
            with pytest.raises(InvalidRequest):
                vetted_address("db.example", resolve=resolver(*answer))

    def test_a_name_without_addresses(self) -> None:
        with pytest.raises(InvalidRequest):
            vetted_address("db.example", resolve=resolver())

    def test_what_was_vetted_is_what_is_connected_to(self) -> None:
        """A rebinding resolver answers once in public; the answer is an address, so it is not asked again."""
        answers = iter([PUBLIC, "127.0.0.1"])

        def rebinding(name: str) -> list[str]:
            return [next(answers)]

        vetted = vetted_address("rebind.example", resolve=rebinding)
        assert vetted_address(vetted, resolve=rebinding) == PUBLIC
        with pytest.raises(InvalidRequest):  # asked again at the next connect
            vetted_address("rebind.example", resolve=rebinding)

    def test_the_refusal_does_not_tell_the_address(self) -> None:
        with pytest.raises(InvalidRequest) as refused:
            vetted_address("db.example", resolve=resolver(PRIVATE))
        assert PRIVATE not in refused.value.message

    def test_the_systems_resolver(self, settings: Any) -> None:
        with pytest.raises(InvalidRequest):
            vetted_address("localhost")
        settings.PRIVATE_NETWORKS = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1")]
        assert ipaddress.ip_address(vetted_address("localhost")).is_loopback
        with pytest.raises(Unavailable):
            vetted_address("no-such-host.invalid")

    def test_a_resolver_that_never_answers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        never = threading.Event()

        def wait(*args: Any, **kwargs: Any) -> list[Any]:
            never.wait(30)
            return []

        monkeypatch.setattr(addresses, "RESOLVE_SECONDS", 0.05)
        monkeypatch.setattr(socket, "getaddrinfo", wait)
        with pytest.raises(Unavailable):
            vetted_address("slow.example")
        never.set()
