//! For tests only: the test app, foreign readers, faults
