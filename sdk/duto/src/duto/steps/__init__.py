"""Steps: what runs, with what, and after what. A class of step has a module of its own; `base` is what all share."""
