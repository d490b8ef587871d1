import { mountJail } from "../jails/live.ts";
import { liveTool } from "../jails/live-tool.ts";

/** `jailkit mount`: mounts directories of the host in jails. */
export const tool = liveTool({
  name: "jailkit mount",
  summary: "mount the host's directories in jails",
  act: mountJail,
  verb: "mount",
  done: "mounted",
  success: "every named directory is mounted as it should be",
  notes:
    "A live jail is one that 'jk_init --live' made: its /usr is that of this machine, mounted read-only, nosuid, nodev and private. A section of jk_init.ini with the key sockets mounts a directory with sockets of a service, such as /run/mysqld, in the same way, and noexec. If such a directory was removed and created again, as some services do when they are restarted, the new one is mounted; a missing one is left out. The directories are those in the record of the jail. At boot the lines of /etc/fstab mount them: a line that is missing, or would not mount the same, is written anew.",
});
