"""The toys are no tests: read for doctests they would be imported a second time, as other classes."""

collect_ignore_glob = ["toy*.py"]
