"""Write fixtures/agreement/cases.json: random labels of two annotators, and what two packages say of them.

Cohen's kappa from scikit-learn, Krippendorff's alpha from krippendorff, in an environment apart from the project's:

    python -m venv /tmp/kappa && /tmp/kappa/bin/pip install scikit-learn krippendorff
    /tmp/kappa/bin/python tools/make_agreement_cases.py
"""

import json
import random
from pathlib import Path

import krippendorff
from sklearn.metrics import cohen_kappa_score

TARGET = Path(__file__).resolve().parents[1] / "fixtures" / "agreement" / "cases.json"
#: seed, objects, classes, share on which they agree for sure
CASES = [(0, 8, 2, 0.5), (1, 60, 3, 0.9), (2, 200, 12, 0.7), (3, 40, 5, 0.0), (4, 300, 2, 0.97)]


def case(seed, objects, classes, share):
    """One case: a class of each annotator for each object; -1 is background and stands for at most one of them."""
    chance = random.Random(seed)
    first, second = [], []
    for _ in range(objects):
        one = chance.randrange(-1, classes)
        other = one if one >= 0 and chance.random() < share else chance.randrange(0 if one < 0 else -1, classes)
        first.append(one)
        second.append(other)
    return {
        "first": first,
        "second": second,
        "kappa": float(cohen_kappa_score(first, second)),
        "alpha": float(krippendorff.alpha([first, second], level_of_measurement="nominal")),
    }


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps([case(*row) for row in CASES]) + "\n", encoding="utf-8")
