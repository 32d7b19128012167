"""What every target of every dashboard must answer, from the company's events and from the pipeline's story.

No PromQL here: what is expected is said a second time in other words. `TABLES` names every target; a new one needs its
line, or the tests fail.
"""
