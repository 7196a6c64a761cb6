"""Fixtures of the suites that run real programs.

server      one postroom for a whole run of tests, with default settings
account     an account of that server, made for this test
make_server a function: make_server(settings={...}) gives a postroom of this
            test's own, to configure, kill or fill up

Every server in use is looked at after each test: a panic, a failed assertion
or a sanitizer report fails it.
"""
import os

import pytest

from harness.postroom import BUILD, Postroom

# A report ends the program at once, so that no test passes over it.
os.environ.setdefault("ASAN_OPTIONS", "abort_on_error=1:detect_leaks=1")
os.environ.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")

_live = []


def pytest_configure(config):
    if not os.path.exists(os.path.join(BUILD, "bin", "postroom")):
        raise pytest.UsageError(f"{BUILD}/bin/postroom is not built")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    p = Postroom(tmp_path_factory.mktemp("server") / "home")
    p.start()
    _live.append(p)
    yield p
    _live.remove(p)
    marks = p.marks()
    p.close()
    assert p.trouble(marks) is None, p.trouble(marks)


@pytest.fixture
def account(server):
    return server.add_account()


@pytest.fixture
def imap(server, account):
    """An IMAP session of `account`, logged in; files add to it."""
    with server.imap(account) as c:
        yield c


@pytest.fixture
def make_server(tmp_path):
    made = []

    def make(settings=None, start=True, **kwargs):
        p = Postroom(tmp_path / f"home{len(made)}", settings, **kwargs)
        made.append(p)
        _live.append(p)
        if start:
            p.start()
        return p

    yield make
    for p in made:
        _live.remove(p)
        p.close()
        assert p.trouble() is None, p.trouble()


@pytest.fixture(autouse=True)
def no_trouble():
    """Fails a test during which a server panicked."""
    marks = {}
    for p in _live:
        marks.update(p.marks())
    yield
    for p in _live:
        found = p.trouble(marks)
        assert found is None, found
