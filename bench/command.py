"""The command, as its installed script runs it: `python -m bench.command VERB`."""

from gossamer.command import main

if __name__ == "__main__":
    main()
