"""Counts the birds of each kind."""

import argparse

from azureml.core import Run
from helper import short
from pyspark.sql import SparkSession, functions

parser = argparse.ArgumentParser()
for name in ("--birds", "--column", "--to"):
    parser.add_argument(name)
given = parser.parse_args()
spark = SparkSession.builder.getOrCreate()
settings = spark.sparkContext.getConf()
print("settings", spark.conf.get("spark.sql.shuffle.partitions"), settings.get("spark.driver.memory"), settings.get("spark.app.name"), spark.sparkContext.master)  # fmt: skip
kind = functions.udf(short)(functions.col(given.column)).alias("kind")
found = spark.read.option("header", True).csv(given.birds).groupBy(kind).count()
found.coalesce(1).write.option("header", True).csv(given.to)
total = found.agg(functions.sum("count")).collect()[0][0]
Run.get_context().log("birds", total)
print("birds", total)
