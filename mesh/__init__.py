"""The protocol: a node is a deterministic state machine; only `mesh.io` touches the world."""
