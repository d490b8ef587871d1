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
    "A live jail is one that 'jk_init --live' made: its /usr is that of this machine, mounted read-only, nosuid, nodev and private. A section of jk_init.ini with the key sockets mounts a directory with sockets of a service, such as /run/mysqld, in the same way, and noexec. If such a directory was removed and created again, as some services do when they are restarted, the new one is mounted; a missing one is left out. The directories are those in the record of the jail. They are mounted through descriptors, without following symbolic links, and checked afterwards. Symbolic links into /usr, such as /bin, that a live jail lacks are created. At boot the lines of /etc/fstab mount them. A missing line is added. One with which a boot would mount nothing, something else or with fewer restrictions is replaced; options that say when and how it is mounted, such as x-systemd.requires=, stay, and so do more restrictions, such as noexec. A line of others that mounts something else there is an error, with the command that makes it a comment.",
});
