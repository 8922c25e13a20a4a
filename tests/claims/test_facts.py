"""Transcribed tables."""

from __future__ import annotations

import pytest

from sersupport.claims import facts
from sersupport.core.errors import UserError


def test_the_printed_tables_are_those_of_the_paper():
    assert facts.table("2512.18298-table2-corpora")["samples"].sum() == 12_162
    assert len(facts.table("2512.18298-table5-robustness")) == 18
    changed = facts.table("2512.18298-table2-corpora")
    changed["samples"] = 0
    assert facts.table("2512.18298-table2-corpora")["samples"].sum() == 12_162
    with pytest.raises(UserError, match="there are: "):
        facts.table("nothing")
