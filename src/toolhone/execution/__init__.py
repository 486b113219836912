"""Running calls: plan, repair, validation, limits, retry, results."""
