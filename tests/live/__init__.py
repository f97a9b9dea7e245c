"""The whole studio, as people and programs meet it: real processes, a real browser, real data."""
