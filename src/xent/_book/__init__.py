"""What `xent.book` is made of besides its layer: the textbook's formulas, the traps in them, rebinding of names."""
