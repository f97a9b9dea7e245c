"""What runs in a Spark step beside its script (docs/spark.md)."""
