"""Read what each CI system says about its own job; one pure module a system."""
