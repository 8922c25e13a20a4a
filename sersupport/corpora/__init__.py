"""Corpora of emotional speech: naming conventions, reading, folds and protocols, audits, the embedded corpus."""
