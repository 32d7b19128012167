"""A simulated company, an embedded broker and a live table: the whole way from fact to number on one machine."""
