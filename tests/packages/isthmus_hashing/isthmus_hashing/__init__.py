"""Binary codes: items that look alike have codes that differ in few bits."""
