"""What can be wrong with what a person wrote (a scenario, a matrix, a tape): where it is, and what was expected."""

from __future__ import annotations

from mesh.codes import Code


class SimError(Exception):
    """The simulator cannot do what it was asked; the message says why and what to do."""

    code: Code | None = None
    """What `gossamer explain` knows more about."""


class ScenarioError(SimError):
    """Something in a file makes no sense: which file, which line, what was found there and what was expected."""

    def __init__(self, path: str, line: int, problem: str, expected: str) -> None:
        """Keep the parts, for those who print them elsewhere. `line` is 0 where none can be named."""
        self.path, self.line, self.problem, self.expected = path, line, problem, expected
        place = f"{path}:{line}" if line else path
        super().__init__(f"{place}: {problem}; expected {expected}")

    def __reduce__(self) -> tuple[object, ...]:
        """From a worker's process to ours, as it is made."""
        return type(self), (self.path, self.line, self.problem, self.expected)


class OutputError(ScenarioError):
    """A file that was asked for and cannot be written."""

    code: Code | None = Code.OUTPUT_UNWRITABLE


class JournalError(ScenarioError):
    """A journal that cannot be gone on with: of another sweep, damaged, or no journal at all."""

    code: Code | None = Code.JOURNAL_INVALID

    def __init__(self, path: str, line: int, problem: str, expected: str, code: Code | None = None) -> None:
        """Keep the parts. `line` is 0 where none can be named."""
        super().__init__(path, line, problem, expected)
        self.code = code or self.code


class TapeError(SimError):
    """A tape that cannot be replayed: of another version, damaged, or not of this run."""

    def __init__(self, said: str, code: Code = Code.TAPE_INVALID) -> None:
        """Keep the code beside the words."""
        super().__init__(said)
        self.code = code
