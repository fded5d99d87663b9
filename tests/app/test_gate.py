"""Who may ask for something."""

import pytest

from cellclassifier.app import Gate

GATE = Gate("token")


@pytest.mark.parametrize("host", ["127.0.0.1:8642", "localhost:8642", "LOCALHOST", "127.0.0.1"])
def test_who_has_the_address_is_let_in(host):
    assert GATE.refusal(host=host, origin=None, path="/token/") is None
    assert GATE.refusal(host=host, origin=f"http://{host}", path="/token/state") is None


@pytest.mark.parametrize("path", ["/", "", "/tokeN/", "/toke", "/token2/", "//token/", "/é/"])
def test_without_the_token_nobody_is(path):
    assert "token" in GATE.refusal(host="localhost:1", origin=None, path=path)


@pytest.mark.parametrize(
    "host", [None, "", "evil.example", "127.0.0.1.evil.example", "192.168.0.2:8642", "[::1", "a@b"]
)
def test_under_another_name_nobody_is(host):
    assert "answers to" in GATE.refusal(host=host, origin=None, path="/token/")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://localhost:1", "http://localhost:2", ""]
)
def test_pages_elsewhere_are_not(origin):
    assert "other pages" in GATE.refusal(host="localhost:1", origin=origin, path="/token/state")


def test_each_gate_has_a_long_token_of_its_own_which_it_does_not_show():
    one, other = Gate(), Gate()
    assert one.token != other.token
    assert len(one.token) >= 43
    assert one.token not in repr(one)
    assert one.address(80) == f"http://127.0.0.1:80/{one.token}/"
