"""What the SDK, the studio and the agents must agree on: pure functions over values.

Nothing here opens a connection or knows the client. Only `snapshot` and `trees` touch files, those that they are pointed at.
"""
