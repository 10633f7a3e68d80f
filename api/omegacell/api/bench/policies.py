"""The policies that `omega bench packing` measures, by name, and the same with other weights.

    hybrid                 a name of `POLICIES`
    ./mine.py:Mine         a plug-in
    batch,noise=0.3,step=0 either of them with other numbers in attributes of the class

A weight is a public attribute of the class that is a number, so those of a plug-in can be tried as well.
"""

import math
from typing import Any, Final

from omegacell.core.errors import UsageError
from omegacell.schedulers.registry import load_class

_OWN: Final = "omegacell.schedulers.policies:"
POLICIES: Final[dict[str, str]] = {
    "random-first-fit": f"{_OWN}RandomFirstFit",
    "worst-fit": f"{_OWN}WorstFit",
    "best-fit": f"{_OWN}BestFit",
    "dot-product": f"{_OWN}DotProduct",
    "e-pvm": f"{_OWN}EnhancedPvm",
    "hybrid": f"{_OWN}Hybrid",
    "hybrid-noisy": f"{_OWN}NoisyHybrid",
    "hybrid-sampled": f"{_OWN}SampledHybrid",
    "first-fit": "first-fit",
    "least-loaded": "least-loaded",
    "batch": "batch",
    "service": "service",
}
"""The policies by the name that the command takes, with what loads them."""

CURVE: Final[tuple[str, ...]] = (
    "hybrid",
    "hybrid-noisy",
    "hybrid-noisy,noise=0.4",
    "hybrid-sampled,sample=16",
    "hybrid-sampled",
    "hybrid-sampled,sample=300",
    "batch,charge=0",
    "batch,charge=0.2",
    "batch",
    "batch,charge=0.8",
    "batch,noise=0",
    "batch,step=0",
    "service,share=4",
    "service",
    "service,share=100000",
)
"""How machines are traded for conflicts, one weight at a time: noise, samples, lots, and tasks of a job apart."""


def load_policy(policy: str) -> type[Any]:
    """Return the class of a policy, with the weights that its name gives.

    Raises:
        PluginError: a plug-in cannot be loaded.
        UsageError: there is none of that name, or it has no such weight.

    >>> load_policy("batch,noise=0.3").noise, load_policy("batch").noise
    (0.3, 0.2)
    >>> load_policy("batch,nose=0.3")
    Traceback (most recent call last):
    omegacell.core.errors.UsageError: --policy batch,nose=0.3: batch has no weight nose; it has charge, noise, step
    """
    name, *settings = policy.split(",")
    if name not in POLICIES and ":" not in name and not name.endswith(".py"):
        raise UsageError(f"--policy {name}: there is no such policy; there are {', '.join(POLICIES)}, or module:Class")
    cls = load_class(POLICIES.get(name, name))
    values = dict(_read(policy, setting, name=name, cls=cls) for setting in settings)
    return type(cls.__name__, (cls,), values) if values else cls


def _read(policy: str, setting: str, *, name: str, cls: type[Any]) -> tuple[str, float]:
    """Return the weight and the number of a setting."""
    weight, sign, text = setting.partition("=")
    if not sign:
        raise UsageError(f"--policy {policy}: {setting!r} is no setting; expected WEIGHT=NUMBER")
    weights = _find_weights(cls)
    if weight not in weights:
        there_are = f"it has {', '.join(sorted(weights))}" if weights else "it has none"
        raise UsageError(f"--policy {policy}: {name} has no weight {weight}; {there_are}")
    is_whole = isinstance(weights[weight], int)
    try:
        number = int(text) if is_whole else float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0:
        expected = "a whole number" if is_whole else "a number"
        raise UsageError(f"--policy {policy}: {weight} is {text!r}, expected {expected}, not negative")
    return weight, number


def _find_weights(cls: type[Any]) -> dict[str, float]:
    """Return the attributes of a class that are numbers, with what they are."""
    found = {name: getattr(cls, name) for name in dir(cls) if not name.startswith("_")}
    return {name: value for name, value in found.items() if type(value) in (int, float)}
