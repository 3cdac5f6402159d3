"""The SDK: publish, subscribe and read history from Python, with asyncio.

It runs the client's machine (`mesh.client`) over a WebSocket. `nodes.sdk.sync` is the same for scripts.
"""

from nodes.sdk.channel import Channel as Channel
from nodes.sdk.client import Client as Client
from nodes.sdk.client import connect as connect
from nodes.sdk.cursor import Cursor as Cursor
from nodes.sdk.messages import Gap as Gap
from nodes.sdk.messages import GossamerError as GossamerError
from nodes.sdk.messages import Message as Message
from nodes.sdk.messages import Receipt as Receipt
from nodes.sdk.messages import WaitTimedOutError as WaitTimedOutError
from nodes.sdk.subscription import Subscription as Subscription
