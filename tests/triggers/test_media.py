"""What a body is said to be: media type, charset, coding; and what it is."""

from __future__ import annotations

import contextlib
import gzip

import azure.functions as func
import pytest

from shared.triggers.http import media
from shared.triggers.http.problem import UnsupportedMedia
from tests.triggers.app import App

ISSUE = "/api/v1/roles/web/leases"


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ('Application/JSON;charset="UTF-8"', 201),
        ("application/merge-patch+json", 201),
        ("application/json;charset='utf-8'", 201),
        ("application/json; charset=utf8", 201),
        ("application/json; charset=us-ascii", 201),
        ("application/json ; CharSet = ASCII ;", 201),
        ("application/json; odata=verbose; charset=utf-8; IEEE754Compatible=true", 201),
        ("application/json; odata.metadata=minimal; odata.streaming", 201),
        ('application/json; note="a; charset=latin-1, \\"b"', 201),
        ("application/json;", 201),
        ("application/json; charset=", 415),
        ("application/json; charset=latin-1", 415),
        ("application/json; charset=utf-16", 415),
        ("application/json; charset='iso-8859-1'", 415),
        ("application/json; charset=utf-8; charset=latin-1", 415),
        ("application/json,text/plain", 415),
        ("application/json; charset=utf-8, text/plain", 415),
        ('application/json; a="b', 415),
        ("application/jsonp", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
    ],
)
async def test_takes_json_alone(app: App, message: str, status: int) -> None:
    """A body says what it is."""
    answer = await app.call("POST", ISSUE, body={}, headers={"content-type": message})
    assert answer.status == status
    assert status == 201 or answer.code == "unsupported_media_type"
    assert "accept-encoding" not in answer.headers


@pytest.mark.parametrize("body", [b'\xef\xbb\xbf{"reason": "\xc3\xa9"}', b"\xef\xbb\xbf", b"\xef\xbb\xbf{}\r\n"])
async def test_takes_a_byte_order_mark(app: App, body: bytes) -> None:
    """As PowerShell and .NET write it before UTF-8."""
    assert (await app.call("POST", ISSUE, body=body)).status == 201


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("message", ["application/json", "application/json; charset=utf-8"])
async def test_takes_no_other_unicode(app: App, encoding: str, message: str) -> None:
    """Whatever it is said to be, with a mark or without."""
    answer = await app.call("POST", ISSUE, body='{"ttl": 60}'.encode(encoding), headers={"content-type": message})
    assert (answer.status, answer.code) == (415, "unsupported_media_type")
    assert app.world.leases.rows == {}


def test_a_long_media_type_is_read_in_one_go() -> None:
    """Or a caller could keep a worker busy for minutes with a header."""
    blanks = " " * 30_000
    for message in (f"application/json;a{blanks}x", f"application/json{blanks}", "application/json" + ";a=b" * 8_000 + ","):
        request = func.HttpRequest("POST", "https://x/", headers={"content-type": message}, body=b"{}")
        with contextlib.suppress(UnsupportedMedia):
            media.require_json(request)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "GZip", "x-gzip", "br", "zstd", "identity, gzip", "gzip,gzip"])
async def test_takes_no_compressed_body(app: App, coding: str) -> None:
    """The answer says how to send it again: RFC 9110, 15.5.16."""
    body = gzip.compress(b"{}")
    answer = await app.call("POST", ISSUE, body=body, headers={"content-encoding": coding})
    assert (answer.status, answer.code) == (415, "unsupported_media_type")
    assert answer.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("coding", ["", "identity", "Identity"])
async def test_takes_a_body_as_it_is(app: App, coding: str) -> None:
    """Saying so is no fault."""
    assert (await app.call("POST", ISSUE, body={}, headers={"content-encoding": coding})).status == 201


@pytest.mark.parametrize(
    "charset",
    [
        *("utf-8", "utf8", "csutf8", "us-ascii", "ascii", "us", "iso646-us", "iso_646.irv:1991", "iso-ir-6"),
        *("ansi_x3.4-1968", "ansi_x3.4-1986", "ibm367", "cp367", "csascii"),
    ],
)
def test_every_name_of_utf_8_and_of_ascii_is_taken(charset: str) -> None:
    """As IANA lists them, in any case."""
    for message in (charset, charset.upper()):
        headers = {"content-type": f'application/json; charset="{message}"'}
        media.require_json(func.HttpRequest("POST", "https://broker.example/", headers=headers, body=b"{}"))
