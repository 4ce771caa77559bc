// Tests of paper.
