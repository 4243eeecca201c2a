"""The report page of a fit: complete, escaped, and shown by a real browser."""

import dataclasses
import re

import pytest
from made_fits import BUDGET, away, fitted
from made_reports import HOSTILE, SCRIPT, Reader, opened

from edgekit.fit.report_page import fit_page, write_fit_report


def rows(page, title):
    """The cells of the table below a heading, row by row."""
    table = page.split(f"<h2>{title}</h2>")[1].split("<tbody>")[1].split("</tbody>")[0]
    return [
        [re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
        for row in re.findall("<tr>(.*?)</tr>", table)
    ]


def first_cells(page):
    """The markup of the latency, size and memory of the first candidate."""
    return re.findall("<td>(.*?)</td>", page.split("<h2>Candidates</h2>")[1])[:3]


def test_fit_page_states_the_chosen_model_and_why(tmp_path):
    found = fitted(tmp_path)
    text = Reader(fit_page(found)).text
    assert found.chosen.name in text
    assert found.reason in text
    assert f"{found.chosen.figures.latency_ms:#.3g} of 5 ms" in text
    assert f"{found.chosen.figures.size_bytes / 1e6:.2f} of 4 MB" in text
    assert "Accuracy on 2,000 val images88.2% (proven)" in text
    assert "Before quantization88.5%" in text


def test_fit_page_of_a_float_model_has_one_accuracy(tmp_path):
    found = dataclasses.replace(fitted(tmp_path), quantized_accuracy=None, verdict=None)
    text = Reader(fit_page(found)).text
    assert "Accuracy on 2,000 val images88.5%" in text
    assert "quantization" not in text


def test_fit_page_plots_every_candidate_and_the_trained_ones_apart(tmp_path):
    found = fitted(tmp_path)
    page = fit_page(found)
    trained, everything = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert trained.count("<circle") == 8
    assert everything.count("<circle") == len(found.points)
    assert (trained.count('class="mark front"'), trained.count('class="mark dominated"')) == (2, 5)
    outside = sum(not found.budget.admits(point.figures) for point in found.points)
    assert everything.count('class="mark outside"') == outside > 0
    assert everything.count('class="mark chosen"') == trained.count('class="mark chosen"') == 1
    tooltips = re.findall(r"<title>(.*?)</title>", everything, re.DOTALL)
    assert all(any(tooltip.startswith(point.name) for tooltip in tooltips) for point in found.points)


def test_fit_page_tooltips_have_recipe_and_figures(tmp_path):
    found = fitted(tmp_path)
    (tooltip,) = re.findall(r'class="mark chosen"><title>(.*?)</title>', fit_page(found).split("</svg>")[0], re.DOTALL)
    candidate = found.chosen.candidate
    assert f"width_mult={candidate.width_mult}" in tooltip
    assert f"{candidate.resolution} px, {candidate.precision}" in tooltip
    assert "measured: 3." in tooltip
    assert "on held-out training images: 88.0% after rung 2" in tooltip


def test_fit_page_lists_the_chosen_candidate_first_and_all_trained_ones(tmp_path):
    found = fitted(tmp_path)
    listed = rows(fit_page(found), "Candidates")
    assert listed[0][0] == found.chosen.name
    assert [row[6] for row in listed[:9]] == ["2"] * 3 + ["1"] * 5 + ["–"]
    assert len(listed) == 30
    inside = sum(found.budget.admits(point.figures) for point in found.points)
    assert (
        f"{inside} of {len(found.points)} candidates are inside the budget, 30 shown." in Reader(fit_page(found)).text
    )


def test_fit_page_shows_rungs(tmp_path):
    assert rows(fit_page(fitted(tmp_path)), "Search") == [
        ["rung 1", "2", "8", "3", "78.0%", "5 min"],
        ["rung 2", "4", "3", "0", "88.0%", "10 min"],
    ]


def test_fit_page_compares_predicted_with_measured(tmp_path):
    found = fitted(tmp_path)
    compared = rows(fit_page(found), "Predicted and measured")
    assert len(compared) == 3
    chosen = next(row for row in compared if row[0] == found.chosen.name)
    before, after = map(float, chosen[1].split(" → "))
    assert after / before == pytest.approx(1.04, abs=0.01)
    assert "The median error of the predicted latency is 2.0%." in Reader(fit_page(found)).text


def test_fit_page_without_training_has_the_ranked_candidates_only(tmp_path):
    found = fitted(tmp_path, trained=False)
    page = fit_page(found)
    assert not re.search("<h2>(Chosen|Search|Predicted and measured)</h2>", page)
    assert page.count("<svg") == 1
    assert 'class="key chosen"' not in page
    priors = [float(row[4].rstrip("%")) for row in rows(page, "Candidates")]
    assert priors == sorted(priors, reverse=True)


def test_fit_page_of_another_device_marks_latencies_as_predicted(tmp_path):
    found = fitted(tmp_path, device=away())
    text = Reader(fit_page(found)).text
    assert "predicted from device.json" in text
    assert "Latency, predicted" in text
    assert "No whole network was timed on the device" in text
    assert "latency is predicted again" in text
    assert [cell.startswith("<b>") for cell in first_cells(fit_page(found))] == [False, True, True]


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory):
    """A page whose data set, device and reason contain markup."""
    folder = tmp_path_factory.mktemp("hostile")
    found = fitted(folder, data=f"data {SCRIPT}", device=away(name=HOSTILE[1], source=HOSTILE[2]), budget=BUDGET)
    write_fit_report(dataclasses.replace(found, reason=HOSTILE[3]), folder / "report.html")
    return folder / "report.html"


def test_fit_page_escapes_hostile_names_and_embeds_everything(hostile_page):
    page = Reader(hostile_page.read_text())
    tags = [tag for tag, _ in page.elements]
    assert not {"script", "link", "iframe", "object", "embed", "base", "img"} & set(tags)
    assert tags.count("style") == 1
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]
    assert SCRIPT in page.text
    assert not {"\x1b", "\u202e"} & set(page.text)
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy


@pytest.mark.parametrize("width", [360, 1400])
def test_fit_page_fits_the_width_of_a_browser_without_console_messages(hostile_page, tmp_path, width):
    _, console, content_width = opened(hostile_page, width=width, scratch=tmp_path)
    assert console == []
    assert content_width <= width
