"""The programs: what an operator runs and an application imports.

The daemon, its gateways, the SDK and the command line sit on `mesh`, and never know the simulator. Verbs and protocols
are thin: whatever can be decided without a socket is decided in `mesh`.
"""
