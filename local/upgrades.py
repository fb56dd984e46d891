"""uvicorn's HTTP protocol for every port here, deaf to offers of another protocol.

A client may offer HTTP/2 (``Connection: Upgrade, HTTP2-Settings``, as Java's own does with its first request) or WebSocket. A
server that does not take the offer answers the request all the same (RFC 9110, 7.8), body included. httptools, which parses for
uvicorn, takes such a request to end with its headers; so it is parsed again without the offer.
"""

from __future__ import annotations

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_OFFER = (b"upgrade", b"http2-settings")


class Protocol(HttpToolsProtocol):
    """Reads a request that offers another protocol as if it had not."""

    def data_received(self, data: bytes) -> None:
        """Octets arrive: of a request, the rest of one, or several."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            head, (read,) = self._head_without_offer(), offer.args
            # The old parser holds that the connection has left HTTP.
            self.parser = _parser(self)
            self.data_received(head + data[read:])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def on_headers_complete(self) -> None:
        """The request begins, unless it is still to be read without its offer."""
        if not self._offered():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request ends, unless that was only its head."""
        if not self._offered():
            super().on_message_complete()

    def _offered(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _head_without_offer(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        stored = ((name, _kept(name, value)) for name, value in self.headers if name not in _OFFER)
        return b"\r\n".join([*lines, *(b"%b: %b" % header for header in stored), b"", b""])


def _parser(protocol: Protocol) -> httptools.HttpRequestParser:
    """One as uvicorn makes it."""
    parser = httptools.HttpRequestParser(protocol)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


def _kept(name: bytes, value: bytes) -> bytes:
    """A header's value without the words that make the offer."""
    if name != b"connection":
        return value
    return b", ".join(word for word in map(bytes.strip, value.split(b",")) if word.lower() not in _OFFER)
