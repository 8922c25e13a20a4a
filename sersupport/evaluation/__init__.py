"""Figures computed from predictions tables and from nothing else: scores, intervals, paired tests, calibration."""
