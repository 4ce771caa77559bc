// Tests of synthetic.
