"""The report: the series run where it is not up to date, checked before it starts, built into a site, published."""
