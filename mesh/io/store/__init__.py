"""The store: batches, intervals, names and the channel index in SQLite, one transaction for each append.

`database` opens the file and checks what it finds; `writing` makes appends durable on its own thread, in order;
`reading` answers queries on another; `store` puts them together for a host.
"""

from mesh.io.store.database import check_database as check_database
from mesh.io.store.store import Store as Store
