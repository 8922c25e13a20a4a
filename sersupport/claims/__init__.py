"""The ledger: every claim that the four papers print, what was found, and a verdict that is computed."""
