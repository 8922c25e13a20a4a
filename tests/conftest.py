"""For all tests."""

LONGEST = "test_committed_outputs_come_out_again"


def pytest_collection_modifyitems(items):
    """Begun last, the longest would run alone while the other processes have nothing to do."""
    items.sort(key=lambda item: item.name != LONGEST)
