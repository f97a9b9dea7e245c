"""Makes and changes monitors, looks at their windows, and starts what drift starts.

Called by pages, REST, the ticker and workers.
"""
