"""Published pipelines."""
