"""Schedules: what runs published pipelines and endpoints by itself, at times or when files change, and what became of each time.

The ticker calls it once a second, and people make schedules by page, REST and SDK. It stands above the runs, which it starts;
they do not know of it.
"""
