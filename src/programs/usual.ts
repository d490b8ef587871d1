/** What an account with the limited shell is most often for. */
export const USUAL_PROGRAMS: readonly string[] = [
  "/usr/lib/openssh/sftp-server",
  "/usr/libexec/openssh/sftp-server",
  "/usr/lib/ssh/sftp-server",
  "/usr/bin/scp",
  "/usr/bin/rsync",
];
