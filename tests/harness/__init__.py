"""What the protocol, interop and crash suites share: real programs on
loopback (postroom), clients with control of every octet (wire)."""
