//! The stores that need no driver.
