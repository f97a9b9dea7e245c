"""How the suite gets a real database, a real broker and a home of its own."""
