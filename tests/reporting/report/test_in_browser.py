"""Reports in a real browser: they ask for nothing, and what can be clicked works."""

import pytest
from browsing import N_CELLS, NASTY, requested, wait_until

SHOWN_CELLS = "Plots.named('shown cells').booleans.filter(Boolean).length"
PLACE_OF_FIRST_CELL = """
const plot = Plots.named("cell map");
const source = Plots.named("cells");
const view = Object.values(Bokeh.index).find((one) => one.model === plot);
const room = document.getElementById("cell-map");
room.scrollIntoView({ block: "center", behavior: "instant" });
const box = room.getBoundingClientRect();
const frame = view.frame;
return [
  box.x + frame.x_scale.compute(source.data.x[0]) ,
  box.y + frame.y_scale.compute(source.data.y[0]),
  source.data.name[0],
  source.data.type[0],
];
"""
TEXT_OF_TOOLTIPS = """
const texts = [];
const walk = (node) => {
  for (const child of node.children) {
    if (child.matches(".bk-Tooltip")) texts.push((child.shadowRoot || child).textContent);
    if (child.shadowRoot) walk(child.shadowRoot);
    walk(child);
  }
};
walk(document.body);
return texts.join(" ");
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["annotation", "evaluation", "training"])
def test_it_opens_without_a_request_an_error_or_a_script_of_the_data(page, name, scheme):
    opened = page(name, scheme=scheme)
    (address,) = requested(opened)
    assert address.endswith(f"{name}.html")
    wrong = [
        entry for entry in opened.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")
    ]
    assert wrong == []
    assert opened.find_elements("id", "injected") == []
    assert opened.find_elements("css selector", "img") == []
    assert NASTY[0] in opened.find_element("css selector", "body").text
    assert opened.execute_script("return document.documentElement.dataset.theme") == scheme
    drawn = opened.find_elements("css selector", ".plot-room > *")
    assert len(drawn) == len(opened.find_elements("css selector", ".plot-room")) > 0


@pytest.mark.parametrize("name", ["annotation", "evaluation", "training"])
def test_a_narrow_page_does_not_scroll_sideways(page, name):
    opened = page(name, width=600)
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert opened.execute_script(f"return {width}") == 0


def first_column(opened, table):
    rows = opened.find_elements("css selector", f"#{table} tbody tr")
    return [row.find_element("css selector", "th").text for row in rows if row.is_displayed()]


def values(opened, table, column):
    cells = opened.find_elements("css selector", f"#{table} tbody td:nth-of-type({column})")
    return [float(cell.get_attribute("data-value")) for cell in cells]


def test_tables_sort_by_mouse_and_by_keyboard(page):
    opened = page("annotation")
    head = opened.find_elements("css selector", "#type-table thead button")
    head[3].click()
    confidence = values(opened, "type-table", 3)
    assert confidence == sorted(confidence, reverse=True)
    head[3].send_keys("\n")
    assert values(opened, "type-table", 3) == sorted(confidence)
    cell = opened.find_elements("css selector", "#type-table thead th")[3]
    assert cell.get_attribute("aria-sort") == "ascending"
    head[0].click()
    labels = first_column(opened, "type-table")
    assert labels == opened.execute_script(
        "return arguments[0].toSorted((a, b) => a.localeCompare(b, undefined, { numeric: true }))",
        labels,
    )


def test_the_trials_of_a_search_can_be_sorted(page):
    opened = page("training")
    assert first_column(opened, "trial-table") == ["trial 5", "the default", "trial 2"]
    assert values(opened, "trial-table", 1) == [0.25, 0.5, 0.75]
    head = opened.find_elements("css selector", "#trial-table thead button")
    names = ["trial", "log-loss", "accuracy", "learning rate", "class weights", "seconds"]
    assert [button.text for button in head] == names
    head[3].click()
    assert values(opened, "trial-table", 3) == [0.01, 0.002, 0.000123456]


def test_a_search_leaves_the_rows_that_hold_the_text(page):
    opened = page("annotation")
    before = first_column(opened, "type-table")
    search = opened.find_element("id", "type-table-search")
    search.send_keys("ALERT(1)")
    assert first_column(opened, "type-table") == [NASTY[0]]
    output = opened.find_element("css selector", ".search output")
    assert output.text == f"1 of {len(before)}"
    search.clear()
    search.send_keys(" ")
    assert first_column(opened, "type-table") == before


def test_the_legend_switches_types_off_and_on(page):
    opened = page("annotation")
    assert opened.execute_script(f"return {SHOWN_CELLS}") == N_CELLS
    items = opened.find_elements("css selector", "#legend li")
    switch, alone = items[0].find_elements("css selector", "button")
    size = int(switch.find_element("css selector", ".size").text)
    assert 0 < size < N_CELLS
    switch.click()
    assert opened.execute_script(f"return {SHOWN_CELLS}") == N_CELLS - size
    assert switch.get_attribute("aria-pressed") == "false"
    alone.click()
    assert opened.execute_script(f"return {SHOWN_CELLS}") == size
    opened.find_element("id", "show-none").click()
    assert opened.execute_script(f"return {SHOWN_CELLS}") == 0
    opened.find_element("id", "show-all").click()
    assert opened.execute_script(f"return {SHOWN_CELLS}") == N_CELLS


def test_the_map_is_coloured_as_chosen(page):
    opened = page("annotation")
    seen = {}
    for choice in opened.find_elements("css selector", "button[data-colours]"):
        choice.click()
        by = choice.get_attribute("data-colours")
        seen[by] = tuple(opened.execute_script("return Plots.named('cells').data.colour"))
        is_scale = opened.find_element("id", "scale").is_displayed()
        assert is_scale == (by in ("confidence", "novelty"))
        assert opened.find_element("id", "keys").is_displayed() == (by in ("set_size", "status"))
    assert list(seen) == ["type", "confidence", "novelty", "set_size", "status"]
    assert len(set(seen.values())) == len(seen)
    assert all(len(colours) == N_CELLS for colours in seen.values())


def test_a_cell_is_named_where_the_mouse_is(page):
    from selenium.webdriver import ActionChains

    opened = page("annotation")
    x, y, name, label = opened.execute_script(PLACE_OF_FIRST_CELL)
    body = ActionChains(opened)
    body.w3c_actions.pointer_action.move_to_location(round(x) - 3, round(y) - 3)
    body.w3c_actions.pointer_action.move_to_location(round(x), round(y))
    body.perform()
    wait_until(opened, f"(() => {{ {TEXT_OF_TOOLTIPS} }})()")
    text = opened.execute_script(TEXT_OF_TOOLTIPS)
    assert name in text  # as text: its <i> is no element
    assert label in text
    assert "confidence" in text
    assert "novelty" in text


def test_the_switch_changes_the_colours_of_the_page_and_of_plots(page):
    opened = page("annotation")
    background = "return Plots.named('cell map').background_fill_color"
    light = opened.execute_script(background)
    opened.find_element("id", "theme").click()
    assert opened.execute_script("return document.documentElement.dataset.theme") == "dark"
    assert opened.execute_script(background) != light


def test_the_confusion_matrix_can_be_read_by_row_by_column_and_in_cells(page, evaluation):
    opened = page("evaluation")
    shown = {}
    for choice in opened.find_elements("css selector", "button[data-matrix]"):
        choice.click()
        cell = opened.find_element("css selector", "#matrix tbody tr td")
        shown[choice.get_attribute("data-matrix")] = cell.text
    hits = evaluation.confusion[0, 0]
    assert shown == {
        "row": f"{100 * hits / evaluation.confusion[0].sum():.0f}",
        "column": f"{100 * hits / evaluation.confusion[:, 0].sum():.0f}",
        "count": str(hits),
    }


def test_printed_it_is_light_and_whole(page):
    opened = page("annotation", scheme="dark")
    printed = opened.execute_cdp_cmd("Page.printToPDF", {})
    assert len(printed["data"]) > 20_000
    assert opened.execute_script("return document.documentElement.dataset.theme") == "dark"
