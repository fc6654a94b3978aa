"""What makes this kind of learning good: one choice varied at a time; docs/learning.md tells what
was found. `variants` says what is varied, `learning` has the ways to learn that are not a trainer's
own, `runs` measures and keeps, `tables` shows."""
