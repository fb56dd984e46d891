"""What the broker needs from the outside, as small protocols. ``shared.cloud`` satisfies them; tests bring fakes."""
