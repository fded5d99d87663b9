"""Which dimensions of the search mattered."""

import numpy as np

from cellclassifier.tuning.engine import optuna

# with fewer scored trials a forest of regression trees tells nothing
MIN_TRIALS = 4


def importance_of(study: optuna.Study, seed: int) -> dict[str, float]:
    """Return the share of the variance of the scores that each dimension explains, largest first.

    Functional ANOVA (Hutter et al. 2014) over the trials that came to their end; empty for fewer
    than four of these, or where all scored the same.
    """
    trials = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(trials) < MIN_TRIALS or np.ptp([trial.value for trial in trials]) == 0:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in shares.items()}
