"""Where our servers may connect to: https to the public internet, and what the operator listed."""

import socket
import time
from ipaddress import ip_address
from typing import Any

import pytest

from sealbook.errors import Misconfigured, Unavailable
from sealbook.runtime import outbound
from sealbook.runtime.outbound import (
    Forbidden,
    allows,
    check,
    check_setting,
    is_public,
    refuse_private,
)

PRIVATE = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.1", "10.0.0.1", "172.16.0.1", "172.31.255.255"),
    *("192.168.0.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200"),
    *("168.63.129.16", "192.0.0.1", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1"),
    *("203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1"),
    *("ff0e::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808"]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names lead to."""
    known: dict[str, list[str]] = {}

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (at, port)) for at in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(ip_address(address.partition("%")[0]))
    with pytest.raises(Forbidden, match="not a public one") as caught:
        refuse_private("name.example", ["1.1.1.1", address])
    assert "SEALBOOK_ALLOWED_HOSTS" in caught.value.remedy


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_not(address: str) -> None:
    assert is_public(ip_address(address))
    refuse_private("name.example", [address])


async def test_a_public_name_is_not_refused(names: dict[str, list[str]]) -> None:
    names["vault.example"] = ["1.1.1.1", "8.8.8.8"]
    await check("https://vault.example:8200/x", ())
    await check("https://vault.example", ())


@pytest.mark.parametrize("also", [[], ["1.1.1.1"]])
async def test_a_name_of_which_one_address_is_private_is_refused(
    names: dict[str, list[str]], also: list[str]
) -> None:
    names["rebound.example"] = [*also, "169.254.169.254"]
    with pytest.raises(Forbidden, match=r"'rebound.example' has the address 169.254.169.254"):
        await check("https://rebound.example/latest/meta-data", ())


@pytest.mark.parametrize(
    "url",
    [
        *("https://127.0.0.1/", "https://[::1]/", "https://localhost:8200", "https://0/"),
        *(
            "https://2130706433/",
            "https://0x7f.1/",
            "https://127.1:8200/",
            "https://[::ffff:7f00:1]",
        ),
    ],
)
async def test_however_this_machine_is_spelled_it_is_refused(url: str) -> None:
    with pytest.raises(Forbidden, match="not a public one"):
        await check(url, ())


@pytest.mark.parametrize("host", ["vault.internal", "VAULT.internal", "vault.internal."])
async def test_a_host_the_operator_listed_may_be_private_and_plain(
    names: dict[str, list[str]], host: str
) -> None:
    names[host.lower()] = ["10.0.0.8"]
    await check(f"http://{host}:8200/v1", [" Vault.Internal "])
    await check(f"http://{host}", ["vault.internal"])


async def test_listing_a_host_lists_no_other(names: dict[str, list[str]]) -> None:
    names["a.vault.internal"] = names["internal"] = ["10.0.0.8"]
    for host in ("a.vault.internal", "internal"):
        with pytest.raises(Forbidden):
            await check(f"https://{host}", ["vault.internal"])
    assert not allows("vault.internal", ())
    assert allows("::1", ["[::1]"])


@pytest.mark.parametrize(
    "url",
    [
        *("", "vault.example", "ftp://vault.example", "file:///etc/passwd", "https://", "//x"),
        *("https://[::1", "https://x:99999", "gopher://x", "https:vault.example"),
    ],
)
async def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(Forbidden, match="not an http or https URL"):
        await check(url, ["x", "vault.example"])


async def test_plain_http_is_refused(names: dict[str, list[str]]) -> None:
    names["vault.example"] = ["1.1.1.1"]
    with pytest.raises(Forbidden, match=r"'vault.example' is plain http"):
        await check("http://vault.example", ())


async def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    with pytest.raises(Forbidden, match="has a user name in it") as caught:
        await check("https://user:canary-7f3a@vault.example", ["vault.example"])
    assert "canary" not in str(caught.value)


async def test_a_name_that_does_not_resolve_may_do_so_later(names: dict[str, list[str]]) -> None:
    for host in ("gone.example", "x" * 300, "a..b"):
        with pytest.raises(Unavailable, match="does not resolve"):
            await check(f"https://{host}", ())


async def test_a_slow_name_server_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "RESOLVE_SECONDS", 0.01)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(0.2))
    with pytest.raises(Unavailable, match="does not resolve"):
        await check("https://slow.example", ())


async def test_a_setting_is_named() -> None:
    with pytest.raises(Misconfigured, match=r"SEALBOOK_VAULT_URL: The host '127.0.0.1' has") as it:
        await check_setting("SEALBOOK_VAULT_URL", "https://127.0.0.1", ())
    assert "SEALBOOK_ALLOWED_HOSTS" in it.value.remedy
