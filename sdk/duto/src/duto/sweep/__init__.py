"""Sweeps: hyperparameters, how they are sampled, when a trial is stopped early, and the run of it all."""
