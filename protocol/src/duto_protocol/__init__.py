"""What agents and the studio say to each other: typed messages, read with care on either side (docs/protocol.md). Pure."""
