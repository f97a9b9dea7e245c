"""What runs in the step, in an environment with scikit-learn, and in part where its models are loaded."""
