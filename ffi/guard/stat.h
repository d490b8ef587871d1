/* The members of struct stat that are used; it differs between the architectures. */
#ifndef STAT_H
#define STAT_H

#include "guard.h"

enum { FILE_TYPE = 0170000, REGULAR = 0100000, FIFO = 0010000, SOCKET = 0140000, CHARACTER_DEVICE = 0020000 };

struct file_identity {
  u64 device, inode;
#if defined(__x86_64__)
  u64 links;
  u32 mode, uid, gid, padding;
  u64 rdev;
#else
  u32 mode, links, uid, gid;
  u64 rdev;
#endif
  u64 rest[16];
};

#endif
