"""Paths of the machine are hidden, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sersupport.report.paths import each_text, path_hider
from sersupport.run.parameters import Parameters

ROOT = Path("/srv/app")


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("open('/srv/app/x.py')", "open('./x.py')"),
        ("File \x1b[32m/srv/app/x.py\x1b[0m", "File \x1b[32m./x.py\x1b[0m"),
        ("file:///srv/app/x.py /srv/app", "file://./x.py ."),
        ("/srv/apple QUJD/srv/app/QUJD", "/srv/apple QUJD/srv/app/QUJD"),  # another folder; base64
        ("/srv/app.old/x /srv/app.", "/srv/app.old/x .."),
        ("../speech/a.wav /srv/speech/a.wav", "speech/a.wav speech/a.wav"),
        ("../speech2 ../speech-2 ../speech.bak a../speech", "../speech2 ../speech-2 ../speech.bak a../speech"),
        ("\n/srv/app:/srv/app", "\n.:."),
    ],
)
def test_paths_are_hidden_but_not_within_words(text, hidden):
    assert path_hider(ROOT, Parameters(data_dir="../speech"))(text) == hidden


@pytest.mark.parametrize("data_dir", ["..", "../..", "."])
def test_data_beside_the_project_leaves_dots_alone(data_dir):
    """A data_dir of `..` once rewrote every `..` and `...` of the sources shown."""
    hide = path_hider(ROOT, Parameters(data_dir=data_dir))
    source = "x[..., 0]  # and so on ... from .. import y, ../z"
    assert hide(source) == source
    assert hide("/srv/app/x") == "./x"


def test_paths_of_every_named_encoder_are_hidden():
    parameters = Parameters(encoders={"/opt/one": [-1]}, teacher="/opt/two", student_start="/opt/three")
    hide = path_hider(ROOT, parameters)
    assert each_text({"/opt/one": ["/opt/two", "/opt/three"]}, hide) == {"one": ["two", "three"]}


@given(
    st.sampled_from(["..", "../..", "../x", "../../x/y", "/data/x", "speech", "."]),
    st.lists(st.sampled_from(["..", "...", ".", "/", "x", "srv", " ", "(", "../", "app", "y", "-", "\n"])).map("".join),
)
def test_a_text_without_any_of_the_paths_comes_back_unchanged(data_dir, text):
    named = ["/srv/app", str(Path.home()), "../x", "../../x", "/data/x", "/x", "/srv/x"]
    if not any(path in text for path in named):
        assert path_hider(ROOT, Parameters(data_dir=data_dir))(text) == text
