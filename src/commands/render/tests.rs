//! What people see, as snapshots at 80 columns, and that nothing is ever wider than asked.
