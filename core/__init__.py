"""The kernel: what every app of the studio leans on, and what leans on none of them."""
