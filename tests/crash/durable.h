// What would be left after a power cut: records which files and folders below MOM_FAULT_ROOT were synced, and how they were then.
#pragma once

// In the folder MOM_FAULT_SHADOW, where it is set; power.py reads it:
//   ids        a line "INODE ID" for each file or folder made; what was there before has the id of its inode
//   file-ID    the content of a file at its last fsync
//   dir-ID     a line "ID NAME" for each entry of a folder at its last fsync
void durable_created(const char* path);
void durable_synced(int fd);
