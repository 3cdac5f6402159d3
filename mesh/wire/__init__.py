"""The codec: how frames and operations stand on the wire. The only code that turns foreign bytes into objects."""
