import gc
import weakref

import pytest

from cellclassifier.data.streaming import old_objects_set_aside


class Cycle:
    def __init__(self):
        self.itself = self


@pytest.fixture
def nothing_set_aside():
    n_before = gc.get_freeze_count()
    gc.unfreeze()
    yield
    gc.unfreeze()
    if n_before:
        gc.freeze()


def collected(watched):
    gc.collect()
    return watched() is None


@pytest.mark.usefixtures("nothing_set_aside")
def test_old_objects_are_passed_over_until_the_end_and_new_ones_are_collected():
    old = weakref.ref(Cycle())
    with old_objects_set_aside():
        new = weakref.ref(Cycle())
        assert collected(new)
        assert not collected(old)
    assert collected(old)


@pytest.mark.usefixtures("nothing_set_aside")
def test_an_error_gives_the_old_objects_back():
    with pytest.raises(KeyboardInterrupt), old_objects_set_aside():
        raise KeyboardInterrupt
    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("nothing_set_aside")
def test_what_others_have_set_aside_stays_so():
    gc.freeze()
    n_others = gc.get_freeze_count()
    with old_objects_set_aside():
        assert gc.get_freeze_count() <= n_others
    assert gc.get_freeze_count() > 0
