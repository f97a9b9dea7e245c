"""What a submit would do, before it is done: which steps would be reused and which run, on what data, in which environments,
where, and for how long.

A plan is checked by the very checks of a submit and asks the very functions that carry a run forward, of a run that is only in
memory. It writes nothing.
"""
