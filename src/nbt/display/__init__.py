"""What a person sees: text that is safe to show, plots, notebooks."""
