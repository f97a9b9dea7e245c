"""Makes and changes schedules, and fires them.

Called by pages, REST, the ticker and workers.
"""
