"""15. Cross-validation: how good a network is, and how sure one may be of it.

python examples/15_cross_validation.py     # scikit-learn's breast cancer data, nothing to download

One split into training and test data gives one number, which depends on the split. k folds give k numbers, each sample
being tested once, by a network that has not seen it. Choosing hyper-parameters by those numbers uses the test data up:
the best of many scores is partly luck, and too good. Nested cross-validation chooses within the training data of each
outer fold, and so measures the whole procedure, choice included. Where the data are few and the choice is wide, the
difference shows. Five draws of 150 samples, the best of 30 settings:

    one split                     0.7667 to 0.9667
    best score by 5 folds, mean   0.9773
    nested, mean                  0.9627
    on the 419 other samples      0.9642
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.stats import loguniform
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import RandomizedSearchCV, StratifiedKFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tilegrad.sklearn import NetClassifier


def main() -> None:
    """One split, several folds, folds within folds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=150, help="how many of the 569 samples")
    parser.add_argument("--points", type=int, default=30, help="how many settings the search tries")
    parser.add_argument("--repeats", type=int, default=5, help="how many draws of samples and folds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one repeat, two points, few epochs")
    options = parser.parse_args()
    if options.quick:
        options.repeats, options.points = 1, 2

    x, y = load_breast_cancer(return_X_y=True)
    net = NetClassifier((8,), batch_size=16, epochs=2 if options.quick else 20, random_state=options.seed)
    machine = make_pipeline(StandardScaler(), net)
    ranges = {
        "netclassifier__learning_rate": loguniform(1e-4, 1e-1),
        "netclassifier__weight_decay": loguniform(1e-5, 1.0),
        "netclassifier__random_state": range(1000),  # a choice of the start is a choice too
    }

    splits, chosen, nested, fresh = [], [], [], []
    for repeat in range(options.repeats):
        random = options.seed + repeat
        sample, rest, y_sample, y_rest = train_test_split(
            x, y, train_size=options.samples, stratify=y, random_state=random
        )
        parts = train_test_split(sample, y_sample, test_size=0.2, stratify=y_sample, random_state=random)
        splits.append(machine.fit(parts[0], parts[2]).score(parts[1], parts[3]))
        inner = StratifiedKFold(5, shuffle=True, random_state=random)
        outer = StratifiedKFold(5, shuffle=True, random_state=random + 1000)
        search = RandomizedSearchCV(machine, ranges, n_iter=options.points, cv=inner, random_state=random)
        found = cross_val_score(machine, sample, y_sample, cv=outer)
        chosen.append(search.fit(sample, y_sample).best_score_)
        nested.append(cross_val_score(search, sample, y_sample, cv=outer).mean())
        fresh.append(search.score(rest, y_rest))
        print(
            f"draw {repeat}: one split {splits[-1]:.4f}, 5 folds {found.mean():.4f} +- {found.std():.4f}, best of "
            f"{options.points} by 5 folds {chosen[-1]:.4f}, nested {nested[-1]:.4f}, fresh samples {fresh[-1]:.4f}"
        )
    print(f"mean: chosen {np.mean(chosen):.4f}, nested {np.mean(nested):.4f}, on fresh samples {np.mean(fresh):.4f}")
    print(f"one split varies from {min(splits):.4f} to {max(splits):.4f}")


if __name__ == "__main__":
    main()
