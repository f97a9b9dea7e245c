# Installs packages into a library. Arguments: its folder, CRAN's address, then one word for each package:
# name|version|repository, or the address of an archive. The last line says what could not be had.
given <- commandArgs(trailingOnly = TRUE)
library_folder <- given[1]
cran <- given[2]
wanted <- given[-(1:2)]
.libPaths(c(library_folder, .libPaths()))
options(repos = c(CRAN = cran), pkgType = "source", timeout = 600, warn = 1, menu.graphics = FALSE)

fail <- function(code, what) {
  cat(sprintf("duto: %s %s\n", code, what))
  quit(status = 1)
}

installed <- function(name) {
  tryCatch(as.character(utils::packageVersion(name, lib.loc = library_folder)), error = function(error) "")
}

say <- function(text) cat(text, "\n")

# What an expression gives; each of its warnings is told, and an error as well, in whose place there is `otherwise`.
attempt <- function(expression, otherwise, told = say) {
  tryCatch(
    withCallingHandlers(expression, warning = function(warning) {
      told(conditionMessage(warning))
      invokeRestart("muffleWarning")
    }),
    error = function(error) {
      told(conditionMessage(error))
      otherwise
    }
  )
}

index <- function(repository) {
  filters <- c("R_version", "duplicates")
  nothing <- matrix(nrow = 0, ncol = 0)
  found <- attempt(utils::available.packages(repos = repository, type = "source", filters = filters), nothing)
  if (nrow(found) == 0) fail("no_r_index", repository)
  found
}

# The file of an address; empty where it cannot be had, or not whole, of which R warns.
fetch <- function(address, told = say) {
  file <- file.path(tempdir(), utils::tail(strsplit(address, "/", fixed = TRUE)[[1]], 1))
  is_whole <- TRUE
  code <- attempt(utils::download.file(address, file, quiet = TRUE, mode = "wb"), 1, function(text) {
    is_whole <<- FALSE
    told(text)
  })
  if (code == 0 && is_whole) file else ""
}

# What a package of a file needs comes from CRAN, where it is not here yet.
install_needs <- function(folder) {
  description <- read.dcf(file.path(folder, "DESCRIPTION"))[1, ]
  fields <- description[intersect(c("Depends", "Imports", "LinkingTo"), names(description))]
  needs <- trimws(sub("[(].*", "", unlist(strsplit(fields, ","))))
  missing <- setdiff(needs[nzchar(needs)], c("R", rownames(utils::installed.packages())))
  if (length(missing)) utils::install.packages(missing, lib = library_folder)
  description[["Package"]]
}

install_file <- function(file, what) {
  folder <- tempfile("source")
  unpacked <- tryCatch(utils::untar(file, exdir = folder), error = function(error) 1)
  root <- list.files(folder, full.names = TRUE)
  if (unpacked != 0 || length(root) != 1 || !file.exists(file.path(root, "DESCRIPTION"))) {
    cat("It is no archive of the sources of one package.\n")
    fail("r_not_installed", what)
  }
  name <- install_needs(root)
  utils::install.packages(root, lib = library_folder, repos = NULL, type = "source")
  if (installed(name) == "") fail("r_not_installed", name)
}

install_package <- function(name, version, repository) {
  known <- index(repository)
  is_known <- name %in% rownames(known)
  if (version == "" && !is_known) fail("no_r_package", name)
  if (version == "" || (is_known && known[name, "Version"] == version)) {
    utils::install.packages(name, lib = library_folder, repos = unique(c(repository, cran)))
  } else {
    places <- c(sprintf("%s_%s.tar.gz", name, version), sprintf("Archive/%s/%s_%s.tar.gz", name, name, version))
    file <- ""
    for (place in places) if (file == "") file <- fetch(paste0(repository, "/src/contrib/", place), identity)
    if (file == "") fail(if (is_known) "no_r_version" else "no_r_package", if (is_known) paste0(name, " ", version) else name)
    install_file(file, name)
  }
  made <- installed(name)
  if (made == "" || (version != "" && package_version(made) != package_version(version))) fail("r_not_installed", name)
}

for (word in wanted) {
  if (grepl("^(https?|file)://", word)) {
    file <- fetch(word)
    if (file == "") fail("r_not_installed", word)
    install_file(file, word)
  } else {
    parts <- strsplit(paste0(word, "|"), "|", fixed = TRUE)[[1]]
    install_package(parts[1], parts[2], sub("/+$", "", parts[3]))
  }
}
