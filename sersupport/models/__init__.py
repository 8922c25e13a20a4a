"""The systems, each a ``PreTrainedModel`` with a configuration."""
