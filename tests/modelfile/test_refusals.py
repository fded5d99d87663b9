"""Model files that are broken, changed, unsafe or too new: refused, each in one line."""

import hashlib
import json
import struct
import zipfile
from contextlib import suppress

import numpy as np
import pytest

from cellclassifier import CellTypeClassifier
from cellclassifier.errors import ModelFileError
from cellclassifier.modelfile import FORMAT, archive, read_manifest
from cellclassifier.networks import build_mlp

MEMBERS = {
    "config.json", "metadata.json", "model.weights.h5", "cellclassifier.json", "genes.npz",
    "validation.npz", "shift.npz", "sets.npz", "novelty.npz",
}  # fmt: skip


def contents(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def rewrite(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)


def change_manifest(path, **fields):
    """Change fields of cellclassifier.json; None removes one."""
    members = contents(path)
    manifest = json.loads(members["cellclassifier.json"]) | fields
    manifest = {name: value for name, value in manifest.items() if value is not None}
    rewrite(path, members | {"cellclassifier.json": json.dumps(manifest).encode()})


def change_config(path, change):
    """Change config.json as a forger would: the hash in the manifest fits again."""
    members = contents(path)
    config = json.loads(members["config.json"])
    change(config)
    text = json.dumps(config).encode()
    manifest = json.loads(members["cellclassifier.json"])
    manifest["parts"]["config.json"] = hashlib.sha256(text).hexdigest()
    rewrite(
        path, members | {"config.json": text, "cellclassifier.json": json.dumps(manifest).encode()}
    )


def refusal(path):
    """Return the message with which the file is refused, by the reader and the classifier alike."""
    with pytest.raises(ModelFileError) as of_reader:
        read_manifest(path)
    with pytest.raises(ModelFileError) as of_classifier:
        CellTypeClassifier.load(path)
    message = str(of_reader.value)
    assert message == str(of_classifier.value)
    assert str(path) in message
    assert len(message.splitlines()) == 1
    return message


def test_one_byte_of_the_weights_changed(saved):
    members = contents(saved)
    weights = bytearray(members["model.weights.h5"])
    weights[len(weights) // 2] ^= 1
    rewrite(saved, members | {"model.weights.h5": bytes(weights)})
    assert "model.weights.h5 is not the one it was written with" in refusal(saved)


def test_one_byte_of_the_file_changed(saved):
    content = bytearray(saved.read_bytes())
    with zipfile.ZipFile(saved) as file:
        member = file.getinfo("model.weights.h5")
    content[member.header_offset + 30 + len(member.filename) + member.compress_size // 2] ^= 1
    saved.write_bytes(content)
    refusal(saved)


@pytest.mark.parametrize("member", sorted(MEMBERS - {"cellclassifier.json"}))
def test_member_missing(adapting, member):
    rewrite(adapting, {name: text for name, text in contents(adapting).items() if name != member})
    message = refusal(adapting)
    assert "it has the members" in message or f"its part {member} is missing" in message


def test_member_too_many(saved):
    rewrite(saved, contents(saved) | {"evil.py": b"print('hello')"})
    assert "'evil.py'" in refusal(saved)


@pytest.mark.parametrize("member", sorted(MEMBERS))
def test_member_twice(adapting, member):
    text = contents(adapting)[member]
    with zipfile.ZipFile(adapting, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr(member, text)
    assert "it has the members" in refusal(adapting)


def test_member_that_unpacks_to_too_much(saved):
    rewrite(saved, contents(saved) | {"metadata.json": b" " * (2**20 + 1)})
    assert "metadata.json unpacks to 1,048,577 bytes" in refusal(saved)


def test_member_declared_smaller_than_it_is(saved):
    """A zip bomb that lies: no more is unpacked than was declared, and its checksum differs."""
    rewrite(saved, contents(saved) | {"metadata.json": b" " * 2**22})
    content = bytearray(saved.read_bytes())
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(b"metadata.json"))
    struct.pack_into("<I", content, entry + 24, 1000)
    saved.write_bytes(content)
    refusal(saved)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["bzip2", "lzma"])
def test_member_packed_in_another_way(saved, method):
    members = contents(saved)
    with zipfile.ZipFile(saved, "w", method) as file:
        for name, text in members.items():
            file.writestr(name, text)
    assert f"is packed by method {method}" in refusal(saved)


def test_newer_format(saved):
    change_manifest(saved, format=FORMAT + 1)
    message = refusal(saved)
    assert f"has the model format {FORMAT + 1}" in message
    assert "pip install --upgrade cellclassifier" in message


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x89HDF\r\n\x1a\n" + b"\0" * 100, id="hdf5"),
        pytest.param(b"labels,B,T\n", id="text"),
    ],
)
def test_not_a_zip_archive(tmp_path, content):
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    assert f"not a zip file ({len(content)} bytes)" in refusal(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated_file(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    assert "is not a model file" in refusal(saved)


def test_no_such_file(tmp_path):
    assert "there is no model file" in refusal(tmp_path / "model.keras")


def test_folder(tmp_path):
    assert "there is no model file" in refusal(tmp_path)


def test_keras_model_of_someone_else(tmp_path):
    build_mlp(5, 2, hidden=(3,)).save(tmp_path / "plain.keras")
    message = refusal(tmp_path / "plain.keras")
    assert "it is a Keras model without cellclassifier.json" in message


def test_lambda_layer(saved):
    def add_lambda(config):
        layer = {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "evil"}}
        config["config"]["layers"].append(layer | {"registered_name": None})

    change_config(saved, add_lambda)
    assert "its network holds Lambda of keras.layers" in refusal(saved)


@pytest.mark.parametrize(
    ("module", "registered"),
    [
        pytest.param("evil.layers", None, id="module"),
        pytest.param("kerasevil", None, id="module-that-looks-like-keras"),
        pytest.param("builtins", None, id="builtin"),
        pytest.param(None, "evil>Dense", id="registered-name"),
    ],
)
def test_layer_of_a_foreign_module(saved, module, registered):
    def replace_dense(config):
        dense = next(part for part in config["config"]["layers"] if part["class_name"] == "Dense")
        dense |= {"module": module, "registered_name": registered}

    change_config(saved, replace_dense)
    assert f"its network holds Dense of {module or registered}" in refusal(saved)


def test_class_hidden_deep_in_a_layer(saved):
    def hide(config):
        dense = next(part for part in config["config"]["layers"] if part["class_name"] == "Dense")
        dense["config"]["kernel_initializer"] = {"class_name": "system", "module": "os"}

    change_config(saved, hide)
    assert "its network holds system of os" in refusal(saved)


@pytest.mark.parametrize("text", [b"{", b"\xff\xfe\xfa"], ids=["cut-off", "not-utf-8"])
@pytest.mark.parametrize("member", ["cellclassifier.json", "config.json"])
def test_broken_json(saved, member, text):
    members = contents(saved) | {member: text}
    if member == "config.json":
        manifest = json.loads(members["cellclassifier.json"])
        manifest["parts"]["config.json"] = hashlib.sha256(text).hexdigest()
        members["cellclassifier.json"] = json.dumps(manifest).encode()
    rewrite(saved, members)
    assert f"{member} is not JSON" in refusal(saved)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"format_name": "other"}, "does not say that it is", id="another-program"),
        pytest.param({"labels": None}, "'labels'", id="no-labels"),
        pytest.param({"labels": ["B", "B", "T"]}, "each label may stand once", id="label-twice"),
        pytest.param({"labels": "BNT"}, "a list of texts", id="labels-a-text"),
        pytest.param({"ontology_ids": ["CL:1"]}, "as many ontology ids", id="ids-too-few"),
        pytest.param({"genes": {"ensembl_ids": [], "symbols": []}}, "0 gene ids", id="no-genes"),
        pytest.param({"genes": {"symbols": ["A"]}}, "'ensembl_ids'", id="no-ids"),
        pytest.param({"genes": 7}, "TypeError", id="genes-a-number"),
        pytest.param({"normalisation": {"method": "sqrt"}}, "'sqrt'", id="normalisation"),
        pytest.param({"normalisation": {"power": 2}}, "power", id="normalisation-setting"),
        pytest.param({"network": {}}, "'name'", id="network-without-name"),
        pytest.param({"network": {"name": 7}}, "name is 7", id="network-name-a-number"),
        pytest.param({"training": [1]}, "cellclassifier.json is broken", id="training-a-list"),
        pytest.param({"parts": None}, "SHA-256 differs", id="no-hashes"),
        pytest.param({"parts": ["x"]}, "SHA-256 differs", id="hashes-a-list"),
    ],
)
def test_broken_manifest(saved, fields, message):
    change_manifest(saved, **fields)
    assert message in refusal(saved)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda config: config.clear(), id="empty"),
        pytest.param(lambda config: config["config"]["layers"].clear(), id="no-layers"),
        pytest.param(lambda config: config["config"].update(input_layers="x"), id="input-layers"),
        pytest.param(lambda config: config["config"]["layers"].pop(), id="layer-missing"),
        pytest.param(
            lambda config: config["config"]["layers"][2].update(inbound_nodes=[]), id="unconnected"
        ),
        pytest.param(
            lambda config: config["config"]["layers"][1]["config"].update(units=7), id="weights"
        ),
    ],
)
def test_network_that_keras_cannot_build(saved, change):
    change_config(saved, change)
    with pytest.raises(ModelFileError, match=f"Keras cannot load '{saved}': ."):
        CellTypeClassifier.load(saved)


def test_network_and_genes_that_do_not_fit(saved):
    names = [f"GENE{number}" for number in range(61)]
    change_manifest(saved, genes={"ensembl_ids": [""] * 61, "symbols": names})
    assert "its gene factors are broken" in refusal(saved)
    members = contents(saved)
    del members["genes.npz"]
    rewrite(saved, members)
    parts = json.loads(members["cellclassifier.json"])["parts"]
    del parts["genes.npz"]
    change_manifest(saved, parts=parts)
    with pytest.raises(ModelFileError, match=r"its network takes 60 genes .* list has 61 genes"):
        CellTypeClassifier.load(saved)


def test_every_member_has_a_size_it_may_not_pass():
    assert set(archive.MAX_BYTES) == MEMBERS


def test_no_byte_of_the_file_can_be_changed_into_a_crash(saved):
    rewrite(saved, contents(saved))
    content = saved.read_bytes()
    rng = np.random.default_rng(0)
    anywhere = rng.integers(len(content), size=300)
    in_the_directory = rng.integers(content.index(b"PK\x01\x02"), len(content), size=300)
    for position in [*anywhere, *in_the_directory]:
        changed = bytearray(content)
        changed[position] = rng.integers(256)
        saved.write_bytes(changed)
        with suppress(ModelFileError):
            read_manifest(saved)  # a date or a flag of the zip format may change and do no harm


@pytest.mark.parametrize("member", ["cellclassifier.json", "config.json"])
def test_json_nested_without_end(saved, member):
    members = contents(saved) | {member: b"[" * 100_000}
    if member == "config.json":
        manifest = json.loads(members["cellclassifier.json"])
        manifest["parts"]["config.json"] = hashlib.sha256(members[member]).hexdigest()
        members["cellclassifier.json"] = json.dumps(manifest).encode()
    rewrite(saved, members)
    refusal(saved)
