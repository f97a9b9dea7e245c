"""What the SDK, the studio and the agents must agree on: pure functions over values.

Nothing here opens a connection or knows the client. Only `snapshot` reads files, those that it is pointed at.
"""
