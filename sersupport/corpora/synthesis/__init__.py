"""The embedded corpus: emotional speech and environmental noise made by rule, for runs without any recording.

Praat's built-in synthesiser speaks the published sentences; pulse-synchronous overlap-add, filters and an intensity
envelope then express seven emotions by the rules of the literature. **It is synthetic speech**: results on it show
that the machinery works and say nothing about people. In exchange, where the emotion sits in each file is known.
"""

from sersupport.corpora.synthesis.corpus import make_corpus
from sersupport.corpora.synthesis.noises import make_noises
from sersupport.corpora.synthesis.rules import RULE_DIRECTIONS, RULES
from sersupport.corpora.synthesis.script import SPEAKERS
from sersupport.corpora.synthesis.voice import PARTIAL

__all__ = ["PARTIAL", "RULES", "RULE_DIRECTIONS", "SPEAKERS", "make_corpus", "make_noises"]
