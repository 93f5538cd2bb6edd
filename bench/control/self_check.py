"""Tests of what is pure here: `./dev bench control --self-check`, part of ./dev lint."""

import unittest

import figures
import table
from figures import Measured


def counted(*rates: tuple[float, float]) -> figures.Samples:
    """Samples every 10 ms of a counter that grows at these rates for these seconds, one after the other."""
    samples, time, value = [(0.0, 0.0)], 0.0, 0.0
    for rate, seconds in rates:
        for _ in range(round(seconds * 100)):
            time, value = time + 0.01, value + rate * 0.01
            samples.append((time, value))
    return samples


class Quantiles(unittest.TestCase):
    def test_they_are_values_that_were_measured(self):
        values = [float(value) for value in range(1, 201)]
        self.assertEqual(figures.quantile(values, 0.5), 100)
        self.assertEqual(figures.quantile(values, 0.99), 198)
        self.assertEqual(figures.quantile([7.0], 0.99), 7)
        self.assertEqual(figures.quantile([1.0, 2.0, 3.0], 0.99), 3)


class Rates(unittest.TestCase):
    def test_a_lower_limit_takes_effect_when_the_second_after_is_within_it(self):
        samples = counted((1000, 2), (100, 3))
        took = figures.time_of_rate(samples, 1.5, 75, 125)
        self.assertAlmostEqual(took, 0.47, delta=0.05)  # a fraction of a second before: 25 more are allowed

    def test_a_limit_that_is_never_kept_has_no_effect(self):
        self.assertIsNone(figures.time_of_rate(counted((1000, 5)), 1, 75, 125))

    def test_a_burst_at_the_end_of_a_window_is_seen(self):
        samples = counted((100, 12), (1000, 0.5), (100, 3))
        shares = figures.windows(samples, 0, 100)
        self.assertAlmostEqual(shares[0], 1, places=2)
        self.assertAlmostEqual(max(shares), 1.45, places=2)

    def test_standing_still_is_seen(self):
        self.assertAlmostEqual(min(figures.windows(counted((100, 5), (0, 1), (100, 6)), 0, 100)), 0.9, places=2)


class Levels(unittest.TestCase):
    def test_it_has_to_stay(self):
        samples = [(n / 100, 16 if n < 30 or n == 50 else 2) for n in range(200)]
        self.assertAlmostEqual(figures.time_of_level(samples, 0, 2), 0.51, places=2)

    def test_or_it_never_was(self):
        self.assertIsNone(figures.time_of_level([(n / 100, 3) for n in range(200)], 0, 2))


class Verdicts(unittest.TestCase):
    def test_what_is_late_or_off_is_named(self):
        found = {("small", "pause"): Measured([10], [1500]), ("large", "limit"): Measured([10], [20], windows=[1.0, 1.06]),
                 ("large", "pause"): Measured(failures=["no answer"])}
        text = "\n".join(table.verdict(found))
        self.assertIn("pause during small: 1 of 1 took longer than 1000 ms", text)
        self.assertIn("limit during large: 1 of 2 windows", text)
        self.assertIn("pause during large: nothing measured", text)

    def test_otherwise_that_is_said(self):
        self.assertTrue(table.verdict({("large", "limit"): Measured([10], [20], windows=[1.04])})[0].startswith("every effect"))


def main() -> int:
    result = unittest.TextTestRunner(verbosity=1).run(unittest.defaultTestLoader.loadTestsFromModule(__import__(__name__)))
    return 0 if result.wasSuccessful() else 1
