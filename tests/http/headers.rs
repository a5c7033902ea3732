//! Caching, proxies and schemes (SECURITY H).
