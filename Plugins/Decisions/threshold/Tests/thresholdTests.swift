// Tests of threshold.
