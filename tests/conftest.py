"""What holds for every test: Hypothesis repeats itself, and the number of random histories is a flag."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

# A run that failed must fail again at a desk, so examples follow from the test alone. `HYPOTHESIS_PROFILE=explore`
# looks for new ones. Deadlines are off in both: timings belong in benchmarks.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None, print_blob=True)
settings.register_profile(
    "explore", max_examples=2_000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


# A shell starts what it runs in the background with SIGINT ignored, and every process below inherits that: Ctrl-C would
# do nothing in the commands that tests start. (A handler becomes the default again in a new program.)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the project's own flags."""
    group = parser.getgroup("omegacell")
    group.addoption(
        "--histories",
        type=int,
        default=10_000,
        metavar="N",
        help="how many random histories the core and its slow twin are compared on (10000)",
    )
    group.addoption(
        "--soak",
        type=int,
        default=0,
        metavar="N",
        help="how many transactions the soak of eight schedulers lasts; its figures are printed then (3000)",
    )
    group.addoption("--soak-seed", type=int, default=1, metavar="N", help="what a soak follows from (1)")
    group.addoption("--regenerate", action="store_true", help="write golden files anew; refused in CI")


@pytest.fixture(scope="session")
def histories(request: pytest.FixtureRequest) -> int:
    """Give the number of random histories asked for with --histories."""
    count = request.config.getoption("--histories")
    assert isinstance(count, int)
    return count


@pytest.fixture(scope="session")
def is_regenerating(request: pytest.FixtureRequest) -> bool:
    """Tell whether golden files are to be written anew: at a desk, never where they are what is checked."""
    is_asked = bool(request.config.getoption("--regenerate"))
    if is_asked and os.environ.get("CI"):
        pytest.fail("--regenerate is for a desk: in CI the golden files are what is checked")
    return is_asked
