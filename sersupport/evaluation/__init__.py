"""Figures computed from predictions tables and from nothing else: scores, intervals, paired tests, calibration."""

SIGNIFICANT = 0.05  # a p value below it, after Holm's correction, tells two apart; here, for who imports no bootstrap
