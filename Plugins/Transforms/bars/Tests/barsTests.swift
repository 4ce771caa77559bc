// Tests of bars.
