"""Files as people have them: odd inputs made on the spot, and what reading, drawing and fitting make of them."""
