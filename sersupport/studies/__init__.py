"""Studies: lists of jobs, each one system under one protocol, and what is asked of their predictions."""
