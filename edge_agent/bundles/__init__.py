"""The life of a bundle on the gateway: installed, tried, active, committed, or rolled back."""
