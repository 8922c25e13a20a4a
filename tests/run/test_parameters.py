"""Parameters: unknown, ill-typed and former names are told, profiles are read."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sersupport.core.errors import UserError
from sersupport.run.parameters import (
    Parameters,
    from_namespace,
    named_encoders,
    project_root,
    read_profile,
    validated,
)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"sede": 1}, "unknown parameter 'sede'; did you mean 'seed'"),
        ({"seed": 1.0}, "seed"),
        ({"seed": True}, "seed"),
        ({"epochs": "12"}, "epochs"),
        ({"lambda_levels": [0.5, 2.0]}, "lambda_levels.1"),
        ({"corpora": []}, "corpora"),
        ({"cnn_width": 0.0}, "cnn_width"),
        ({"learning_rate": float("inf")}, "learning_rate"),
        ({"rows": ["D", "A"]}, "rows = ['D', 'A']: values must rise"),
        ({"rows": ["B"]}, "add A, C or D"),
        ({"lambda_levels": [0.5, 0.5]}, "lambda_levels"),
        ({"ablations": ["K = 40", "K = 40"]}, "ablations"),
        ({"bootstrap_samples": 10}, "bootstrap_samples"),
        ({"enrolment_counts": [4, 1]}, "enrolment_counts = [4, 1]: values must rise"),
        ({"enrolment_counts": [0, 1]}, "enrolment_counts.0"),
        ({"transfer_corpora": ["tess", "tess"]}, "transfer_corpora"),
    ],
)
def test_unknown_ill_typed_and_out_of_range_parameters_are_named(values, words):
    with pytest.raises(UserError, match=re.escape(words)) as caught:
        validated(values, "here")
    assert str(caught.value).startswith("here: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("former", "now"),
    [
        ("backbone", "encoder"),
        ("backbone_layers", "encoder_layers"),
        ("backbone_frozen", "encoder_frozen"),
        ("variants", "ablations"),
        ("lesson_variants", "lesson_changes"),
    ],
)
def test_a_former_name_leads_to_the_one_of_today(former, now):
    with pytest.raises(UserError, match=f"unknown parameter '{former}'; did you mean '{now}'"):
        validated({former: 1}, "here")
    assert now in Parameters.model_fields


def test_a_namespace_is_read_and_its_slips_are_found():
    names = {"seed": 3, "np": np, "_hidden": 1, "In": [""], "CONSTANT": {}, "function": print}
    assert from_namespace(names, "nb").seed == 3
    with pytest.raises(UserError, match="sead"):
        from_namespace({**names, "sead": 3}, "nb")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31 - 1), st.floats(0.001, 1), st.sets(st.sampled_from("ABCD"), min_size=1))
def test_valid_values_come_back_unchanged(seed, width, rows):
    rows = sorted(rows if rows != {"B"} else {"A", "B"})
    values = validated({"seed": seed, "cnn_width": width, "rows": rows}, "here")
    assert (values.seed, values.cnn_width, values.rows) == (seed, width, rows)


@pytest.mark.parametrize("text", ["- a list", "a: [1", "just words", "1: 2", "seed: 2020-99-99", "seed: 0\xe9"])
def test_a_profile_that_is_no_mapping_is_refused(tmp_path, text):
    (tmp_path / "p.yaml").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=r"p\.yaml"):
        read_profile(str(tmp_path / "p.yaml"), tmp_path)


def test_a_profile_may_write_a_number_with_an_exponent(tmp_path):
    """YAML 1.1, which PyYAML follows, takes 1e-3 for a text."""
    (tmp_path / "p.yaml").write_text("learning_rate: 1e-3")
    values = read_profile(str(tmp_path / "p.yaml"), tmp_path)
    assert validated(values, "p").learning_rate == 0.001


def test_encoders_are_those_that_some_values_name():
    assert named_encoders({"seed": 1}) == []
    values = {"encoder": "a", "teacher": "b", "student_start": "", "encoders": {"c": [-1], "a": [0]}}
    assert named_encoders(values) == ["a", "b", "c"]


def test_the_root_is_found_from_below(tmp_path):
    (tmp_path / "notebooks/profiles").mkdir(parents=True)
    (tmp_path / "sersupport").mkdir()
    assert project_root(tmp_path / "notebooks") == tmp_path == project_root(tmp_path)
    assert project_root(tmp_path.parent) == tmp_path.parent
