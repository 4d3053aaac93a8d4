"""What the terminal summary adds."""

from networks import RATE


def pytest_terminal_summary(terminalreporter):
    if RATE["runs"]:
        rate = RATE["runs"] / RATE["seconds"]
        terminalreporter.write_line(f"random networks: {RATE['runs']} bound and run, {rate:.0f} a second")
