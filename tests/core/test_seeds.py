"""sersupport.core.seeds: frozen draws, for other ones would change every sample and every embedded recording."""

from __future__ import annotations

import pytest

from sersupport.core.seeds import generator, key_seed


def test_seeds_of_keys():
    assert key_seed(0, "a", 1) == key_seed(0, "a", 1)
    keys = [(0, "a", 1), (1, "a", 1), (0, "a", 2), (0, "a1"), (0, "1", "a")]
    assert len({key_seed(*key) for key in keys}) == len(keys)
    assert all(0 <= key_seed(0, i) < 2**63 for i in range(100))
    # printf '0\x1fgrid\x1fravdess/x\x1fwhite' | b2sum -l 64, halved
    assert key_seed(0, "grid", "ravdess/x", "white") == 4889960266258402637


@pytest.mark.parametrize(
    ("key", "wide", "draws"),
    [
        ((0, "draw"), False, [4186575938512359411, 7742175031691552891]),
        ((4889960266258402637, "noise"), False, [6449352029769154702, 4480429987834158273]),
        ((0, "a", 1), False, [2353191148181111909, 2137385305944442655]),
        # printf '0/ravdess/03-01-05-01-01-01-01' | sha256sum, as eight words
        ((0, "ravdess/03-01-05-01-01-01-01"), True, [9166066404111637430, 3187502322875915972]),
        ((0, "speaker", "cremad", "1001"), True, [3542193368514111483, 1447223763414342985]),
        ((3, "embedded-test", "fish_market", 2), True, [2924128036843422991, 5149760373084540070]),
    ],
)
def test_draws_of_keys_stay_as_they_were(key, wide, draws):
    assert generator(*key, wide=wide).integers(0, 2**63, 2).tolist() == draws
