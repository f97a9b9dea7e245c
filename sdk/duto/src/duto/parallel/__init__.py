"""What a `ParallelRunStep` runs: a driver that cuts the inputs into mini-batches, and processes that call the script."""
