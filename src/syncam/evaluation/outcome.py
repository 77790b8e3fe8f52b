"""What a metric says of one clip: numbers, or why there are none."""

from dataclasses import dataclass, field

__all__ = ["EstimateFailed", "NotMeasurable", "Outcome"]


class NotMeasurable(Exception):
    """A metric means nothing for these pictures; the message says in a few words why."""


class EstimateFailed(NotMeasurable):
    """There is something to measure, but the pictures are not good enough for the estimator."""


@dataclass
class Outcome:
    """The samples of a metric over one clip, such as one per pair of views and moment, and its failures by reason."""

    samples: list[float] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    views: list[list[int]] = field(default_factory=list)
    """The view, or the two views, that each sample is of; empty where samples are of neither."""
    num_lost: int = 0
    """Failures that are the pictures' fault (EstimateFailed)."""

    def fail(self, error: Exception) -> None:
        """Notes a sample that could not be taken."""
        reason = str(error)
        self.failures[reason] = self.failures.get(reason, 0) + 1
        self.num_lost += isinstance(error, EstimateFailed)
