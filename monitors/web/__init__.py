"""The pages of monitors: the list, one of them, one window, the form.

Browsers call it. It asks queries and calls services.
"""
