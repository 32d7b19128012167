"""From a commit to its deployment and its incident, and back: which commit broke it?"""
