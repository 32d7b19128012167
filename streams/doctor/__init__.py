"""`candora doctor`: whether what stands around candora is set up so that its numbers come out right."""
