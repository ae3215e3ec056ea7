#pragma once
#include <archive.h>
#include <archive_entry.h>

/* The AE_ macros have casts, which Swift cannot import. */
static const unsigned CLIBARCHIVE_FILE = AE_IFREG;
static const unsigned CLIBARCHIVE_DIRECTORY = AE_IFDIR;
static const unsigned CLIBARCHIVE_LINK = AE_IFLNK;
