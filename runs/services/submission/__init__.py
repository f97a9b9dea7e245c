"""What starts runs: submit, resume, publish and trigger, the sample, the code that travels with them, and what people may
change of a run afterwards.

REST, pages and published addresses call it. It lays out rows and asks for the first steps; it never runs or places one.
"""
