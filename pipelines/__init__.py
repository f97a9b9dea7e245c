"""Published pipelines: graphs that are frozen and started by name, form or address; and drafts of them, which are still changed.

Its REST publishes and lists them; runs trigger them and draw their pages. It does not know what a run is: publishing
is answered by a hook.
"""
