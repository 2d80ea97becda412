import xml.etree.ElementTree as ElementTree

from meshop.viz import ErrorBar, cost_chart, error_chart


def test_charts_are_whole_svg_elements_whose_ids_do_not_clash():
    bars = [
        ErrorBar("pod <1>", [0.008], [0.002, 0.02], True),
        ErrorBar("transolver", [0.03, 0.035]),
    ]
    texts = [error_chart(f"task & {i}", bars, 0.01) for i in range(2)]
    texts.append(cost_chart({"a": (1e4, 0.1), "b": (2e4, 0.01)}, "nodes a second", "error"))
    ids: set[str] = set()
    for text in texts:
        root = ElementTree.fromstring(text)
        mine = {e.attrib["id"] for e in root.iter() if "id" in e.attrib}
        assert mine and not mine & ids
        ids |= mine
        used = {v[1:] for e in root.iter() for k, v in e.attrib.items() if k.endswith("href")}
        assert used <= mine
    assert "pod &lt;1&gt;" in texts[0] and "task &amp; 0" in texts[0]
    assert error_chart("task & 0", bars, 0.01) == texts[0]
