"""What the broker needs from outside, as small protocols. ``shared.cloud`` satisfies them. Tests bring fakes."""
