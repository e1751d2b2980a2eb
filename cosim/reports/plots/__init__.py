"""The plots of the report, one file an idea; each function returns a `Plot`."""
