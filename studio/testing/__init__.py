"""How the suite gets a real database, a real broker and a home of its own.

`manage.py test` and pytest call it. No process of a studio imports it.
"""
