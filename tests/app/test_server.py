"""What the server answers, by plain requests."""

import re
import socket
import stat
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import requests

from cellclassifier.app import AppServer, Gate, Room, Workbench
from cellclassifier.app.handlers import routes
from cellclassifier.app.room import CELLS_SUFFIXES
from cellclassifier.app.state import Made
from cellclassifier.data.reading import READABLE

PATHS = {
    "page": ("GET", ""),
    "style": ("GET", "app.css"),
    "script": ("GET", "app.js"),
    "state": ("GET", "state"),
    "completions": ("GET", "completions?path=/"),
    "check": ("POST", "check"),
    "annotate": ("POST", "annotate"),
    "stop": ("POST", "stop"),
    "choice": ("POST", "choose/cells"),
    "upload": ("PUT", "upload/cells?name=cells.h5ad"),
    "download": ("GET", "files/named.h5ad"),
    "close": ("POST", "close"),
    "nothing": ("GET", "no/such/page"),
}
WEBSOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


def refused(answer):
    assert answer.status_code == 403
    assert set(answer.json()) == {"error"}
    return answer.json()["error"]


@pytest.mark.parametrize("name", PATHS)
def test_nothing_is_answered_without_the_token(running, name):
    method, where = PATHS[name]
    for token in ("", f"{Gate().token}/"):
        address = running.address.removesuffix(f"{running.server.gate.token}/")
        answer = requests.request(method, f"{address}{token}{where}", data=b"{}", timeout=10)
        assert "token" in refused(answer)
    assert running.files() == []


def test_the_entrance_leads_to_the_page_once(running):
    entrance = running.server.entrance
    assert running.server.gate.token not in entrance
    answer = requests.get(entrance, timeout=10)
    assert answer.url == running.address
    assert answer.status_code == 200
    refused(requests.get(entrance, timeout=10))


def test_the_entrance_is_not_for_other_pages(running):
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        refused(requests.get(running.server.entrance, headers=headers, timeout=10))
    assert requests.get(running.server.entrance, timeout=10).url == running.address


def test_every_route_is_among_those_asked(running):
    asked = {f"/{where.partition('?')[0]}" for _, where in PATHS.values()}
    for pattern, *_ in routes(running.workbench, running.room, 1, lambda: None):
        assert any(re.fullmatch(pattern, path) for path in asked), pattern


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Host": "evil.example"}, id="host"),
        pytest.param({"Origin": "http://evil.example"}, id="origin"),
        pytest.param({"Origin": "null"}, id="sandbox"),
        pytest.param({"Origin": "http://evil.example", **WEBSOCKET}, id="websocket"),
    ],
)
def test_nothing_is_answered_to_other_pages(running, name, headers):
    method, where = PATHS[name]
    refused(running.ask(method, where, headers=headers, data=b"{}"))
    assert running.files() == []


def test_a_large_upload_without_the_token_is_refused_before_it_is_read(running):
    at = urlsplit(running.address)
    with socket.create_connection((at.hostname, at.port), timeout=10) as connection:
        head = f"PUT /guess/upload/cells?name=a.h5ad HTTP/1.1\r\nHost: {at.netloc}\r\n"
        connection.sendall(f"{head}Content-Length: 1000000000\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 403")
    assert running.files() == []


def test_it_listens_on_the_loopback_address_alone(running):
    listening = running.server._socket
    assert listening.getsockname()[0] == "127.0.0.1"
    assert listening.family == socket.AF_INET


def test_a_port_in_use_is_left_to_its_user(tmp_path):
    with Room.made(tmp_path) as room, socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        server = AppServer(Workbench(room), room, port=taken)
        assert server._socket.getsockname()[1] != taken
        server._socket.close()


def test_what_is_answered_may_do_nothing_elsewhere(running):
    answer = running.ask("GET", "")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Server" not in answer.headers
    assert "Set-Cookie" not in answer.headers
    assert running.server.gate.token not in answer.text


def test_an_upload_is_kept_under_a_name_of_the_apps_own(running):
    answer = running.ask(
        "PUT", "upload/cells", params={"name": "../../evil/<b>cells.CSV"}, data=b"not,cells\n"
    )
    assert answer.status_code == 200
    told = running.rest()
    assert told["cells"] == "../../evil/<b>cells.CSV"
    (name,) = running.files()
    assert name.startswith("cells-")
    assert name.endswith(".csv")
    assert "evil" not in name
    stored = running.room.folder / name
    assert stored.read_bytes() == b"not,cells\n"
    assert not stored.stat().st_mode & stat.S_IXUSR


def test_another_upload_takes_the_place_of_the_first(running):
    for content in (b"one\n", b"two\n"):
        running.ask("PUT", "upload/cells", params={"name": "a.csv"}, data=content)
        running.rest()
    (name,) = running.files()
    assert (running.room.folder / name).read_bytes() == b"two\n"


def test_an_upload_over_the_limit_is_refused(running):
    answer = running.ask(
        "PUT", "upload/cells", params={"name": "a.csv"}, data=b"x" * (running.max_bytes + 1)
    )
    assert answer.status_code == 413
    assert "give its path instead" in answer.json()["error"]
    assert running.files() == []


def test_an_upload_that_hides_its_length_is_refused(running):
    pieces = (b"x" * 1000 for _ in range(3))
    answer = running.ask("PUT", "upload/cells", params={"name": "a.csv"}, data=pieces)
    assert answer.status_code == 411
    assert running.files() == []


def test_an_upload_that_is_broken_off_leaves_nothing(running):
    at = urlsplit(running.address)
    with socket.create_connection((at.hostname, at.port), timeout=10) as connection:
        head = f"PUT {at.path}upload/cells?name=a.csv HTTP/1.1\r\nHost: {at.netloc}\r\n"
        connection.sendall(f"{head}Content-Length: 1000\r\n\r\nhalf".encode())
        running.wait_for(lambda: len(running.files()) == 1)
    running.wait_for(lambda: running.files() == [])
    assert running.workbench.state.cells is None


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("cells", "cells.pkl", "cannot be dropped"),
        ("cells", "cells.zarr", "give the path"),
        ("model", "model.pkl", "no model"),
        ("model", "cells.h5ad", "no model"),
    ],
)
def test_an_upload_of_another_kind_is_refused(running, kind, name, words):
    answer = running.ask("PUT", f"upload/{kind}", params={"name": name}, data=b"x")
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert running.files() == []


def test_what_does_not_fit_on_the_disk_is_refused(running, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    answer = running.ask("PUT", "upload/cells", params={"name": "a.csv"}, data=b"x")
    assert answer.status_code == 507
    assert "--scratch" in answer.json()["error"]


@pytest.mark.parametrize(
    ("where", "told", "words"),
    [
        pytest.param("choose/cells", {"path": "/no/such/file"}, "no file", id="path"),
        pytest.param("choose/cells", {"path": ""}, "no file", id="no path"),
        pytest.param("choose/cells", {"path": "\0"}, "no file", id="null"),
        pytest.param("annotate", {}, "choose a file", id="nothing chosen"),
        pytest.param("check", {"out": "/etc/passwd"}, "no options ['out']", id="foreign option"),
        pytest.param("check", {"coverage": "0.9"}, "is a number", id="text for a number"),
        pytest.param("check", {"vote": 1}, "true or false", id="number for a switch"),
        pytest.param("check", {"genes_in": "x"}, "in rows or in columns", id="genes"),
    ],
)
def test_what_cannot_be_is_said(running, where, told, words):
    answer = running.order(where, **told)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_orders_come_as_json_which_no_form_can_send(running):
    answer = running.ask("POST", "close", data={"a": "b"})
    assert answer.status_code == 400
    assert running.ask("GET", "state").status_code == 200


@pytest.mark.parametrize("where", ["files/named.h5ad", "files/../secret", "files/%2e%2e/secret"])
def test_files_that_were_not_made_are_not_given(running, where):
    (running.room.folder.parent / "secret").write_text("secret")
    (running.room.folder / "named.h5ad").write_text("under way")
    assert running.ask("GET", where).status_code == 404


def test_paths_are_completed(running, tmp_path):
    for name in ("a.h5ad", "a.txt.exe", ".a.h5ad", "b.keras"):
        (tmp_path / name).touch()
    (tmp_path / "afolder").mkdir()
    found = running.ask("GET", "completions", params={"path": f"{tmp_path}/a"}).json()["paths"]
    assert found == [f"{tmp_path}/a.h5ad", f"{tmp_path}/afolder/"]
    found = running.ask("GET", "completions", params={"path": f"{tmp_path}/"}).json()["paths"]
    assert f"{tmp_path}/b.keras" in found
    assert f"{tmp_path}/.a.h5ad" not in found


def test_kinds_that_can_be_dropped_can_be_read():
    for suffix in set(CELLS_SUFFIXES) - {".tgz", ".hdf5"}:
        assert suffix.removesuffix(".gz") in READABLE or suffix in READABLE


@pytest.fixture
def with_files(running):
    """Files that were made of cells of an awkward name."""
    for file in ("named.h5ad", "report.html"):
        (running.room.folder / file).write_bytes(b"0123456789")
    made = (Made("named.h5ad", 'a"\n<b>_named.h5ad', 10), Made("report.html", "report.html", 10))
    running.workbench._change(made=made)
    return running


def test_files_are_saved_under_the_name_of_the_cells_whole_or_in_parts(with_files):
    answer = with_files.ask("GET", "files/named.h5ad")
    assert answer.content == b"0123456789"
    name = answer.headers["Content-Disposition"]
    assert name == "attachment; filename*=UTF-8''a%22%0A%3Cb%3E_named.h5ad"
    assert answer.headers["Cache-Control"] == "no-store"
    part = with_files.ask("GET", "files/named.h5ad", headers={"Range": "bytes=4-"})
    assert (part.status_code, part.content) == (206, b"456789")


def test_the_report_has_no_rights_of_the_page_in_a_tab_either(with_files):
    answer = with_files.ask("GET", "files/report.html")
    assert "Content-Disposition" not in answer.headers
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in policy
    assert "connect-src" not in policy
    assert "default-src 'none'" in policy
    saved = with_files.ask("GET", "files/report.html?save")
    assert saved.headers["Content-Disposition"].startswith("attachment")
