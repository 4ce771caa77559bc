// Tests of log.
