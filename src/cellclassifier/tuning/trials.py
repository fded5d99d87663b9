"""One trial as a value; knows neither Keras nor Optuna."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Trial:
    """Settings that were tried, and how well they did.

    Parameters
    ----------
    number
        In the order of the study, from 0, which is the network's default.
    chosen
        The value of each dimension of the search space.
    log_loss
        Mean over the reference's cells, in nats; None where the trial was pruned.
    accuracy
        On the same cells; None where the trial was pruned.
    seconds
        How long it took.
    """

    number: int
    chosen: Mapping[str, float | str]
    log_loss: float | None
    accuracy: float | None
    seconds: float

    @property
    def pruned(self) -> bool:
        """Whether the trial was given up as hopeless."""
        return self.log_loss is None


def best_first(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that went to their end, the best first.

    >>> best_first([Trial(0, {}, 0.5, 0.8, 1.0), Trial(1, {}, None, None, 0.2)])[0].number
    0
    """
    ended = [
        (trial.log_loss, trial.number, trial) for trial in trials if trial.log_loss is not None
    ]
    return [trial for _, _, trial in sorted(ended, key=lambda entry: entry[:2])]
