"""refused -- a letter that can't be made into copies, with the problem in the contract's word and the detail in ours.

Owns     the one exception of everything that prepares a letter
Never    stands for a letter that waits for a person: those are prepared, and say why they are held
"""

from __future__ import annotations

from ..problem import Problem


class Refused(Exception):
    """The letter is refused; `detail` says where and why, in words for the person who wrote it."""

    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail
