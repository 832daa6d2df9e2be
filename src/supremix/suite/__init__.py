"""Many runs: specification, plan, launch, listing."""
