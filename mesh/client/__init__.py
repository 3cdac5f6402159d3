"""The client's half of a session, as a state machine: outbox, resume, each message once."""

from mesh.client.machine import Client as Client
from mesh.client.machine import ClientConfig as ClientConfig
