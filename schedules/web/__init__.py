"""The pages of schedules: the list, one of them, the form.

Browsers call it. It asks queries and calls services.
"""
