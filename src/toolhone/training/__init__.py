"""Makes encoders: trains them, and exports them in the form that the server loads without torch."""
