"""What rows are compared by."""

import unicodedata

from toolhone.datasets.texts import request_text


def _asked(text: str) -> str:
    return request_text([{"role": "user", "content": text}, {"role": "assistant", "content": "yes"}])


def test_a_request_is_the_same_however_its_accents_are_spelled() -> None:
    request = "Où est le résumé du café ?"
    assert unicodedata.normalize("NFD", request) != request
    assert _asked(unicodedata.normalize("NFD", request)) == _asked(request)
    assert _asked(f"  {request.upper()}\n") == _asked(request)
    assert _asked("Ou est le resume du cafe ?") != _asked(request)
