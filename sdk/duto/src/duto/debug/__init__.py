"""A step of a run, started on one's own machine (docs/debug.md). The command `duto debug` is made of it.

`document` reads what the studio says of the step, `folder` brings code and inputs, `environment` builds its Python, and
`starting` makes command and variables of it.
"""
