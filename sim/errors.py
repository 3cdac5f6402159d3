"""What can be wrong with what a person wrote (a scenario, a matrix, a tape): where it is, and what was expected."""

from __future__ import annotations


class SimError(Exception):
    """The simulator cannot do what it was asked; the message says why and what to do."""


class ScenarioError(SimError):
    """Something in a file makes no sense: which file, which line, what was found there and what was expected."""

    def __init__(self, path: str, line: int, problem: str, expected: str) -> None:
        """Keep the parts, for those who print them elsewhere. `line` is 0 where none can be named."""
        self.path, self.line, self.problem, self.expected = path, line, problem, expected
        place = f"{path}:{line}" if line else path
        super().__init__(f"{place}: {problem}; expected {expected}")


class TapeError(SimError):
    """A tape that cannot be replayed: of another version, damaged, or not of this run."""
