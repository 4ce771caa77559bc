// Tests of linear.
