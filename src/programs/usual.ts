/** The usual purposes of an account with the limited shell. */
export const USUAL_PROGRAMS: readonly string[] = [
  "/usr/lib/openssh/sftp-server",
  "/usr/libexec/openssh/sftp-server",
  "/usr/lib/ssh/sftp-server",
  "/usr/bin/scp",
  "/usr/bin/rsync",
];
