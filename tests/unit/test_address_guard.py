"""The address guard by plain calls: what is public, which URLs are refused and how the rest is written."""

from ipaddress import ip_network

import pytest

from shared.address_guard import AddressGuard, ForbiddenURL, check_url

LOOPBACK = (ip_network("127.0.0.0/8"),)

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "93.184.215.14",
    "2606:4700::1111",
    "2a00:1450:4001:830::200e",
    "::ffff:8.8.8.8",
]

INNER = (
    *"""
    0.0.0.0 0.1.2.3 10.1.2.3 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 169.254.169.254
    172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.7
    203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
    """.split(),  # noqa: SIM905
    *"""
    :: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
    ::ffff:0:127.0.0.1
    64:ff9b::7f00:1 64:ff9b:1::7f00:1 100::1 2001::1 2001:2::1 2001:db8::1 2002:7f00:1:: 3fff::1
    5f00::1 4000::1 fc00::1 fd12:3456::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1
    """.split(),  # noqa: SIM905
    *("localhost", "", "2130706433"),
)

FORBIDDEN = [
    "http://127.0.0.1/",
    "http://127.0.0.1./",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7F.1/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0/",
    "http://0x/",
    "http://10.0.0.5/hook",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[0:0:0:0:0:ffff:7f00:0001]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[fe80::1%25eth0]/",
    "http://[::1",
    "http://[::1]x/",
    "http://[127.0.0.1]/",
    "http://１２７.０.０.１/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://１２７．１/",
    "http://256.256.256.256/",
    "http://1.2.3.4.5/",
    "http://08.8.8.8/",
    "http://4294967296/",
    "http://1_0.0.0.1/",
    "http://example.5/",
    "http://localhost/",
    "http://LOCALHOST:8080/",
    "http://localhost./",
    "http://local\u00adhost/",
    "http://ｌocalhost/",
    "http://a.localhost/",
    "http://printer.local/",
    "http://metadata.google.internal/",
    "http://router.lan/",
    "http://redis/",
    "http://user@example.org/",
    "http://user:word@example.org/",
    "http://example.org@127.0.0.1/",
    "http://example.org\\@127.0.0.1/",
    "http://example.org/a b",
    " http://example.org/",
    "http://example.org/\r\nX-Evil: 1",
    "http://exam\tple.org/",
    "http://example.org/\u202egro",
    "http://example.org:22/",
    "http://example.org:25/",
    "http://example.org:6379/",
    "http://example.org:11211/",
    "http://example.org:0/",
    "http://example.org:65536/",
    "http://example.org:80:90/",
    "http://example.org:８０/",
    "http://example.org:abc/",
    "http://example.org:-1/",
    "http://a..example.org/",
    "http://-a.example.org/",
    "http://exa%6dple.org/",
    "http://127.0.0.1%2f.example.org/",
    "http://" + "a" * 64 + ".org/",
    "http://xn--a.org\u2044x/",
    "http://./",
    "http:///path",
    "http:example.org",
    "//example.org/",
    "example.org",
    "",
    "ftp://example.org/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "gopher://example.org:70/",
    "http://example.org/" + "a" * 2048,
    "http://example.org/" + "я" * 500,
]

NORMAL = [
    ("http://example.org", "http://example.org/"),
    ("HTTPS://Example.ORG:443/Hook?a=1#part", "https://example.org/Hook?a=1"),
    ("http://example.org.:80/", "http://example.org/"),
    ("https://example.org:8443/x", "https://example.org:8443/x"),
    ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
    ("https://новини.example/", "https://xn--b1amarcd.example/"),
    ("https://example.org/a%20b?q=%2F", "https://example.org/a%20b?q=%2F"),
    ("http://8.8.8.8/", "http://8.8.8.8/"),
    ("http://134744072/", "http://8.8.8.8/"),
    ("http://[2606:4700:0:0:0:0:0:1111]:8080/", "http://[2606:4700::1111]:8080/"),
    ("https://under_score.example.org/", "https://under_score.example.org/"),
]


@pytest.mark.parametrize("ip", PUBLIC)
def test_public_addresses_are_allowed(ip: str) -> None:
    assert AddressGuard().refusal(ip) is None


@pytest.mark.parametrize("ip", INNER)
def test_addresses_that_are_not_public_are_refused(ip: str) -> None:
    assert AddressGuard().refusal(ip)


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.9.9.9", "::ffff:127.0.0.1"])
def test_an_opened_network_is_allowed_in_both_spellings(ip: str) -> None:
    assert AddressGuard(LOOPBACK).refusal(ip) is None


@pytest.mark.parametrize("ip", ["10.0.0.1", "::1", "0.0.0.0"])
def test_an_opened_network_opens_no_other(ip: str) -> None:
    assert AddressGuard(LOOPBACK).refusal(ip)


@pytest.mark.parametrize("url", FORBIDDEN)
def test_forbidden_urls_are_refused(url: str) -> None:
    with pytest.raises(ForbiddenURL):
        check_url(url)


@pytest.mark.parametrize(("url", "normal"), NORMAL)
def test_urls_are_normalised(url: str, normal: str) -> None:
    assert check_url(url) == normal


@pytest.mark.parametrize(("url", "normal"), NORMAL)
def test_a_normalised_url_stays_as_it_is(url: str, normal: str) -> None:
    assert check_url(normal) == normal


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("http://127.0.0.1:6379/", "http://127.0.0.1:6379/"),
        ("http://127.1:99/", "http://127.0.0.1:99/"),
        ("http://localhost:81/", "http://localhost:81/"),
        ("http://[::ffff:7f00:1]:81/", "http://127.0.0.1:81/"),
        ("http://webhook-echo:8080/", "http://webhook-echo:8080/"),
        ("http://hook.internal/", "http://hook.internal/"),
    ],
)
def test_an_opened_network_opens_its_urls(url: str, normal: str) -> None:
    assert AddressGuard(LOOPBACK).check_url(url) == normal


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "http://webhook-echo:6379/", "http://8.8.8.8:22/"])
def test_an_opened_network_opens_no_other_url(url: str) -> None:
    with pytest.raises(ForbiddenURL):
        check_url(url, LOOPBACK)


def test_the_refusal_says_what_the_address_is_and_what_would_open_it() -> None:
    with pytest.raises(
        ForbiddenURL, match=r"127\.0\.0\.1 is not a public address but a loopback.*TOCSIN_ALLOW_HOSTS"
    ):
        check_url("http://2130706433/")


def test_the_refusal_never_repeats_a_password() -> None:
    with pytest.raises(ForbiddenURL) as caught:
        check_url("https://me:hunter2@example.org/")
    assert "hunter2" not in str(caught.value)
