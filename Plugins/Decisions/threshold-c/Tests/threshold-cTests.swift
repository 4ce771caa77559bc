// Tests of threshold-c.
