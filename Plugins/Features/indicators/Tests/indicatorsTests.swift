// Tests of indicators.
