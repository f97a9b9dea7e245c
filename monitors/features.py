"""What features are compared as, and what of them is shown: what the process that compares and the pages share. Pure, without
numpy."""

from __future__ import annotations

NUMERIC, CATEGORICAL, TRUTH = "numeric", "categorical", "truth"
# Characters of the name of a category.
LONGEST_SHOWN = 100
