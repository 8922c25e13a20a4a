"""Explanations of a prediction, each with the check of its own identity."""
