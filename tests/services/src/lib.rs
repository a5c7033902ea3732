//! Private servers for the tests, on free loopback ports.
