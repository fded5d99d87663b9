"""The page in a real browser, from a dropped file to what is saved."""

import pytest
from browsing import NASTY, drop_logs, requested, wait_until

import cellclassifier as cc

TAB = "\ue004"
RESTING = "document.documentElement.dataset.state === 'resting'"


def by_id(opened, name):
    return opened.find_element("id", name)


def wait_for_rest(opened):
    wait_until(opened, RESTING, seconds=90)


def type_into(opened, name, text):
    opened.execute_script(
        "arguments[0].closest('details')?.setAttribute('open', '')", by_id(opened, name)
    )
    by_id(opened, name).send_keys(text)


@pytest.fixture
def page(browser, running, tmp_path):
    """The page at rest, at a width; what is saved goes to a folder of the test."""

    def open_page(width=1400):
        browser.set_window_size(width, 900)
        still = [{"name": "prefers-reduced-motion", "value": "reduce"}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": still})
        saved = {"behavior": "allow", "downloadPath": str(tmp_path / "saved")}
        browser.execute_cdp_cmd("Browser.setDownloadBehavior", saved)
        drop_logs(browser)
        browser.get(running.address)
        wait_until(browser, RESTING)
        return browser

    return open_page


def test_from_a_file_to_its_named_cells(page, running, blood, tmp_path):
    opened = page()
    by_id(opened, "model-path").send_keys(str(blood / "model.keras"), "\n")
    wait_for_rest(opened)
    by_id(opened, "cells-file").send_keys(str(blood / "cells.h5ad"))
    wait_for_rest(opened)
    error = by_id(opened, "error")
    assert "library_size_key" in error.text  # the fix
    assert str(running.room.folder) not in error.text
    assert not by_id(opened, "checked").is_displayed()

    type_into(opened, "library_size_key", "n_counts\n")
    wait_for_rest(opened)
    assert not error.is_displayed()
    assert "accuracy to expect" in by_id(opened, "fit").text
    by_id(opened, "annotate").click()
    wait_for_rest(opened)
    assert not error.is_displayed(), error.text

    # the report, which runs without the origin of the page
    opened.switch_to.frame(by_id(opened, "report"))
    wait_until(opened, "document.documentElement.dataset.ready === 'yes'")
    assert opened.execute_script("return window.origin") == "null"
    assert "cells.h5ad" in opened.find_element("css selector", "h1").text
    assert NASTY[1] in opened.find_element("css selector", "body").text
    opened.switch_to.default_content()

    names = ("cells_named.h5ad", "cells_cell_types.csv", "cells_report.html")
    for link in opened.find_elements("css selector", "#made a[download]"):
        link.click()
    running.wait_for(lambda: all((tmp_path / "saved" / name).is_file() for name in names))
    named = cc.read_cells(tmp_path / "saved" / names[0])
    assert named.obs["predicted_cell_type"].notna().sum() == 200

    # names of types are text, and nothing is asked of anybody else
    assert NASTY[1] in by_id(opened, "model-chosen").text
    assert opened.find_elements("id", "injected") == []
    assert all(address.startswith(running.address) for address in requested(opened))
    wrong = [entry for entry in opened.get_log("browser") if entry["level"] == "SEVERE"]
    assert [entry for entry in wrong if "400" not in entry["message"]] == []


def test_a_narrow_page_does_not_scroll_sideways(page):
    opened = page(width=600)
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert opened.execute_script(f"return {width}") == 0


def test_whatever_can_be_worked_has_a_name_and_is_reached_by_keyboard(page):
    opened = page()
    opened.execute_script("document.querySelector('details').open = true")
    nodes = opened.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = {"button", "textbox", "combobox", "checkbox", "spinbutton", "link"}
    worked = [node for node in nodes if node.get("role", {}).get("value") in roles]
    assert len(worked) >= 15
    assert [node for node in worked if not node.get("name", {}).get("value")] == []
    from selenium.webdriver import ActionChains

    reached = set()
    opened.execute_script("document.activeElement.blur()")
    for _ in range(8):
        ActionChains(opened).send_keys(TAB).perform()
        reached.add(opened.execute_script("return document.activeElement.id"))
    assert {"close", "theme", "cells-file", "cells-path", "model-file", "model-path"} <= reached


def test_too_large_a_file_is_refused_before_it_is_sent(page, running, tmp_path):
    opened = page()
    large = tmp_path / "large.csv"
    large.write_bytes(b"x" * (running.max_bytes + 1))
    by_id(opened, "cells-file").send_keys(str(large))
    wait_until(opened, "!document.getElementById('error').hidden")
    assert "give its path instead" in by_id(opened, "error").text
    assert not [address for address in requested(opened) if "upload" in address]
    assert running.files() == []


def test_the_button_closes_the_app(page):
    opened = page()
    by_id(opened, "close").click()
    wait_until(opened, "!document.getElementById('error').hidden")
    assert "The app is closed" in by_id(opened, "error").text
    assert not by_id(opened, "cells-path").is_enabled()


def test_a_file_is_dropped_and_its_name_is_text(page, running):
    opened = page()
    opened.execute_script(
        """
        const carried = new DataTransfer();
        carried.items.add(new File(["gene,cell\\n"], arguments[0]));
        const told = { dataTransfer: carried, bubbles: true, cancelable: true };
        document.getElementById("cells-drop").dispatchEvent(new DragEvent("drop", told));
        """,
        f"{NASTY[2]}.csv",
    )
    wait_for_rest(opened)
    assert f"{NASTY[2]}.csv" in by_id(opened, "cells-chosen").text
    assert opened.find_elements("css selector", "img") == []
    assert len(running.files()) == 1
