"""No label may slip through a map: a wrong map can give a perfect score."""

import labels
import pytest
from labels import DROP, FOLDER, LabelMap, LabelMapError
from tasks import TASKS, Abroad

MAPPED_TASKS = [task for task in TASKS.values() if isinstance(task, Abroad) and task.test_map]
COMPLETE = "label,mapped,reason\nB,B cell,\nT,T cell,\nPlatelet,drop,not in the reference\n"


@pytest.fixture
def map_of(tmp_path):
    def read(text):
        (tmp_path / "some.csv").write_text(text)
        return LabelMap.read("some", tmp_path)

    return read


def test_labels_are_mapped_and_dropped_by_name(map_of):
    assert map_of(COMPLETE).apply(["T", "B", "Platelet"]).tolist() == ["T cell", "B cell", DROP]
    assert map_of(COMPLETE).targets == {"B cell", "T cell"}


def test_a_label_that_is_left_out_is_an_error(map_of):
    with pytest.raises(LabelMapError, match=r"says nothing of \['NK'\]"):
        map_of(COMPLETE).apply(["T", "B", "Platelet", "NK"])


def test_a_label_that_no_cell_has_is_an_error(map_of):
    with pytest.raises(LabelMapError, match=r"maps \['Platelet'\], which no cell has"):
        map_of(COMPLETE).apply(["T", "B"])


def test_a_target_that_the_other_side_lacks_is_an_error(map_of):
    with pytest.raises(LabelMapError, match=r"leads to \['T cell'\]"):
        map_of(COMPLETE).check_targets(["B cell", "T-cell"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(COMPLETE + "B,T cell,\n", "'B' twice", id="a label twice"),
        pytest.param(COMPLETE + "NK,,\n", "three fields", id="no target"),
        pytest.param(COMPLETE + "NK,NK cell\n", "three fields", id="a short line"),
        pytest.param("label,mapped,mapped\nB,B,B\n", "has the columns", id="a column twice"),
    ],
)
def test_a_map_that_is_not_well_formed_is_an_error(map_of, text, message):
    with pytest.raises(LabelMapError, match=message):
        map_of(text)


@pytest.mark.parametrize("task", MAPPED_TASKS, ids=lambda task: task.name)
def test_both_sides_use_the_same_words(task):
    training, test = LabelMap.read(task.training_map), LabelMap.read(task.test_map)
    assert test.targets <= training.targets
    test.check_targets(training.targets)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.csv")), ids=lambda path: path.stem)
def test_each_map_fits_its_file_whole(path, shared_data):
    import tasks

    file = shared_data(f"{file_of(path.stem)}.h5ad")
    cells = tasks.read_counted(file.name)
    found = LabelMap.read(path.stem).apply(cells.obs["cell_type"].astype(str))
    assert len(found) == cells.n_obs


def file_of(name):
    stem = name.rsplit("_", 1)[0]
    return {"merged": "zheng_sorted_merged"}.get(stem, stem)


def test_what_is_dropped_says_why():
    for path in FOLDER.glob("*.csv"):
        for line in path.read_text().splitlines():
            label, mapped, reason = line.split(",", 2)
            assert mapped != labels.DROP or reason, label
