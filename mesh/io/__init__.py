"""The world: the only home of asyncio, sockets, files, threads, wall clocks and randomness."""
