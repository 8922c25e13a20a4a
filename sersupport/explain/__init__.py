"""Explanations of a prediction, as functions of callables and arrays, each with the check of its own identity."""
