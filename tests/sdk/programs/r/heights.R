# Reads a folder of tables, writes their means by a package of the environment.
library(meansof)

given <- commandArgs(trailingOnly = TRUE)
tables <- lapply(list.files(given[1], full.names = TRUE), utils::read.csv)
dir.create(given[2])
found <- means_of(do.call(rbind, tables))
utils::write.csv(found, file.path(given[2], "means.csv"), row.names = FALSE)
cat(sprintf("R of %s, scale %s, unit %s\n", utils::packageVersion("meansof"), Sys.getenv("AML_PARAMETER_scale"), Sys.getenv("UNIT")))
cat(sprintf("input %s\n", Sys.getenv("AZUREML_DATAREFERENCE_tables") == given[1]))
if (as.integer(given[3]) > 3) stop("more than three were asked for")
if (requireNamespace("compiled", quietly = TRUE)) cat(compiled::doubled(21), "in C\n")
