"""CPU seconds of `synth --help` and `synth plan`, against a Python that does nothing. Medians of nine runs."""

import os
import statistics
import subprocess
import sys

RUNS = 9
NOTHING = [sys.executable, "-c", "pass"]


def cpu_seconds(command: list[str]) -> float:
    """Return the median CPU time of a command, user and system."""
    seconds = []
    for _ in range(RUNS):
        before = os.times()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = os.times()
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return statistics.median(seconds)


def main() -> None:
    """Measure and print."""
    synth = [sys.executable, "-c", "from synth.cli import main; main()"]
    nothing = cpu_seconds(NOTHING)
    print(f"{'command':<16} {'CPU s':>7} {'× bare python':>14}")
    print(f"{'python -c pass':<16} {nothing:>7.3f} {1:>14.1f}")
    for name in ("--help", "plan"):
        seconds = cpu_seconds([*synth, name])
        print(f"{'synth ' + name:<16} {seconds:>7.3f} {seconds / nothing:>14.1f}")


if __name__ == "__main__":
    main()
