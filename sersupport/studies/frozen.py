"""Imported last by the process that others are forked from: what it holds is not collected, hence stays shared."""

import gc

gc.collect()
gc.freeze()
