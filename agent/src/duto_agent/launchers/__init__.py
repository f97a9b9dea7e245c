"""The ways to run a step on this host. The process launcher is the first of several."""
