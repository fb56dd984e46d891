from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from dataclasses import asdict

import pytest

from shared.core.secret import Secret
from shared.kinds.client_secret import ClientSecretCredential
from tests.fakes.world import guid

TEXT = "hunter2~very~secret"


@pytest.fixture
def secret() -> Secret:
    """A secret."""
    return Secret(TEXT)


def test_only_reveal_gives_the_text(secret: Secret) -> None:
    """The text is there for who asks for it."""
    assert TEXT == secret.reveal()


@pytest.mark.parametrize("written", ["{0}", "{0!r}", "{0!s}", "{0:>40}", "{0!a}"])
def test_formatting_shows_stars(secret: Secret, written: str) -> None:
    """No way to format it shows it."""
    assert "***" == written.format(secret)


def test_an_f_string_and_percent_show_stars(secret: Secret) -> None:
    """Nor do the other two ways to build a text."""
    assert "*** *** ***" == f"{secret} %s %r" % (secret, secret)


def test_a_dataclass_that_holds_it_shows_stars(secret: Secret) -> None:
    """What holds a secret may be printed."""
    credential = ClientSecretCredential("t", guid(1), guid(2), secret, None, guid(3))
    assert TEXT not in repr(credential)
    assert "client_secret=***" in repr(credential)


def test_a_log_shows_stars(secret: Secret, caplog: pytest.LogCaptureFixture) -> None:
    """Logging formats, and so shows nothing."""
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("made %s and %r", secret, {"it": secret})
    assert "made *** and {'it': ***}" == caplog.messages[0]


def test_a_traceback_with_its_variables_shows_stars(secret: Secret) -> None:
    """A report of an error that prints every local variable shows nothing."""
    with pytest.raises(ValueError, match=r"\*\*\*") as caught:
        _fail_with(secret)
    result = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert TEXT not in result
    assert "***" in result


def test_it_is_not_pickled(secret: Secret) -> None:
    """Nobody writes it anywhere by accident."""
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)


def test_it_is_not_copied_out_of_a_dataclass(secret: Secret) -> None:
    """``asdict`` and ``deepcopy`` work by copying, and are refused."""
    with pytest.raises(TypeError, match="not pickled"):
        asdict(ClientSecretCredential("t", guid(1), guid(2), secret, None, guid(3)))
    with pytest.raises(TypeError, match="not pickled"):
        copy.deepcopy(secret)


def test_it_is_not_json(secret: Secret) -> None:
    """Whoever wants it on the wire says so."""
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps({"it": secret})


def test_its_fingerprint_is_half_a_sha256(secret: Secret) -> None:
    """Pinned: 32 hexadecimal digits that do not change."""
    assert "e9c0cc7888468be4ac9f773e2278ae25" == secret.fingerprint()


def test_equal_texts_make_equal_secrets(secret: Secret) -> None:
    """And other things are no secrets."""
    assert {Secret(TEXT)} == {secret}
    assert Secret("other") != secret
    assert secret != TEXT


def _fail_with(secret: Secret) -> None:
    held = {"secret": secret}
    raise ValueError(held)
